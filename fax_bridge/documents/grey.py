"""Any decoded image as what a fax can show: grey on white paper, transparent parts white, upright.

Pillow's own conversions lose the upper half of 16-bit samples and turn transparent pixels black.
"""

from PIL import Image, ImageCms, ImageOps


def grey(image: Image.Image) -> Image.Image:
    """The image in mode ``L``; mode ``1`` stays as it is."""
    match image.mode:
        case "1" | "L":
            transparent = "transparency" in image.info
            return _on_white(image) if transparent else image
        case "I;16" | "I;16L" | "I;16B" | "I;16N":
            return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
        case "I" | "F":  # 32 bits, or 16 in a wider cell: what the largest value says
            highest = image.getextrema()[1]
            shrink = 255 / highest if isinstance(highest, int | float) and highest > 255 else 1.0
            return image.point(lambda value: value * shrink).convert("L")
        case "LAB":
            return _from_lab(image)
        case "RGBA" | "LA" | "PA" | "La" | "RGBa":
            return _on_white(image)
        case _ if "transparency" in image.info:
            return _on_white(image)
        case _:
            return image.convert("RGB").convert("L")


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation asks."""
    return ImageOps.exif_transpose(image)


def _on_white(image: Image.Image) -> Image.Image:
    shown = image.convert("RGBA")
    white = Image.new("RGBA", shown.size, "white")
    return Image.alpha_composite(white, shown).convert("L")


def _from_lab(image: Image.Image) -> Image.Image:
    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    if converted is None:
        raise ValueError("its CIE L*a*b* colours cannot be converted")
    return converted.convert("L")
