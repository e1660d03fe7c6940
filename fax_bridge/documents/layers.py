"""The layers of a PDF (optional content): which are switched off, when pages leave their document.

A page refers to its layers, but whether they show is said in the catalog. Copying the page alone would make
every hidden layer visible, and fax what the sender never saw.
"""

from collections.abc import Iterator

import pikepdf
from pikepdf import Array, Dictionary, Name, Object


def hidden_layers(pdf: pikepdf.Pdf) -> tuple[list[Object], list[Object]]:
    """All layers, and those that do not print (ISO 32000-1 §8.11.4.3)."""
    properties = pdf.Root.get(Name.OCProperties)
    if not isinstance(properties, Dictionary):
        return [], []
    layers: list[Object] = list(_groups(properties.get(Name.OCGs)))
    configuration = properties.get(Name.D)
    if not isinstance(configuration, Dictionary):
        return layers, []
    off = set(map(_key, _groups(configuration.get(Name.OFF))))
    if configuration.get(Name.BaseState) == Name.OFF:
        off = set(map(_key, layers)) - set(map(_key, _groups(configuration.get(Name.ON))))
    for layer, state in _print_states(configuration):
        (off.discard if state == Name.ON else off.add)(_key(layer))
    return layers, [layer for layer in layers if _key(layer) in off]


def list_layers(pdf: pikepdf.Pdf, layers: list[Object], hidden: list[Object]) -> None:
    """Enter layers that belong to ``pdf`` into its catalog, with their states fixed."""
    if layers:
        pdf.Root.OCProperties = Dictionary(
            OCGs=Array(layers), D=Dictionary(BaseState=Name.ON, OFF=Array(hidden), Order=Array())
        )


def _print_states(configuration: Dictionary) -> Iterator[tuple[Object, Object]]:
    """Layers whose state depends on the purpose, with the state that they have in print (§8.11.4.4)."""
    for application in _items(configuration.get(Name.AS)):
        if isinstance(application, Dictionary) and application.get(Name.Event) == Name.Print:
            for layer in _groups(application.get(Name.OCGs)):
                usage = layer.get(Name.Usage)
                printed = usage.get(Name.Print) if isinstance(usage, Dictionary) else None
                state = printed.get(Name.PrintState) if isinstance(printed, Dictionary) else None
                if isinstance(state, Name):
                    yield layer, state


def _groups(value: object) -> Iterator[Dictionary]:
    return (item for item in _items(value) if isinstance(item, Dictionary) and item.is_indirect)


def _items(value: object) -> Iterator[Object]:
    return iter(value) if isinstance(value, Array) else iter(())


def _key(layer: Object) -> tuple[int, int]:
    return layer.objgen
