"""What the formats are made of, and what breaks their readers."""

MIME = [
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", b"Content-Type: message/rfc822\r\n\r\n", b"\r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n", b"--", b"=?utf-8?q?=C3?=",
    b"Content-Disposition: attachment; filename*0*=utf-8''%FF; filename*1=", b'; charset="utf-7"', b"=\r\n", b"\x00",
    b"Content-Type: multipart/related\r\n", b"Content-Location: http://[::1\r\n", b"Content-ID: <>\r\n", b"\r", b"\n",
    b"Date: Mon, 99 Foo 99999999999999 99:99:99 +9999\r\n", b'From: "', b'<img src="cid:', b"\xff\xfe",
    b"format=flowed", b"Content-Type: \r\n", b"; name=", b"Content-Type: text/html; charset=idna\r\n",
    b"filename=a.mht", b".eml",
]  # fmt: skip
HTML = [
    "<p>", "</p>", "<table>", "<tr><td colspan=99999>", "</table>", "<script>", "</script>", "<style>", "</style>",
    "<svg>", "<svg/onload=x>", "<img src=cid:a>", "<img src=http://x/>", "<img src='data:image/png;base64,AA'>",
    "<a href=javascript:x>", "a{background:url(//x)}", "@import '//x';", "<p style='", "width:9e9px;",
    "background:url(//x);", "position:fixed'", "<!--", "-->", "<![endif]>", "<!--[if mso]>", "<math><mi>", "<mglyph>",
    "<noscript>", "<title>", "<textarea>", "<plaintext>", "&lt;script&gt;", "&#0;", "&#x110000;", "\x00", "\ud800",
    "ş", "\u202e", "<", ">", '"', "'", "=", "/", " onerror=x ", "<b", "<font color=", "<base href=//x>",
    "<meta http-equiv=refresh content=0>", "<link rel=stylesheet href=//x>", "<iframe srcdoc='<script>'>", "<xmp>",
    "<template>",
]  # fmt: skip
NUMBERS = [
    "0", "00", "+", "++", "90", "90216333", "0216", "216", "333 44 55", "333", "4455", "44", "55", "2", "5", "8", "-",
    ".", "(", ")", "/", " ", "\u0660", "\xb2", "\u0663", "x", "ext", ";", "#", "*", "tel:", "9999999999999999999",
    "\n", "\x00", "\xa0", "1", "7", "FAX=", "ı", "\ud800", "112", "44", "+1", "e5", "0x1F",
]  # fmt: skip
PDF = [
    b"obj", b"endobj", b"stream\r\n", b"endstream", b"xref", b"trailer", b"/Type /Page", b"/Kids [1 0 R]", b"1 0 R",
    b"<<", b">>", b"/Length 99999999", b"/MediaBox [0 0 1e9 1e9]", b"/Rotate 45", b"/Encrypt 1 0 R", b"%%EOF",
    b"%PDF-1.7", b"/Count -1", b"/Filter [/FlateDecode /FlateDecode]", b"/Parent 3 0 R",
    b"/AcroForm <</Fields[1 0 R]>>", b"/W [9 9 9]", b"startxref\n0",
]  # fmt: skip
BINARY = [
    b"\x00\x00\x00\x00\x00\x00\x00\x00", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x03\x00\x06\x90", b"\x05\x90",
    b"\x0f\x80\x06\x00", b"\x02\x01\t\x10", b"LZFu", b"MELA", b"\r\x00\x017", b"PK\x01\x02", b"0\x80",
    b"\x06\t*\x86H\x86\xf7\r\x01\x07", b'x\x9f>"',
]  # fmt: skip
