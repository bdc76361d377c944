"""Layouts of paper: cards, receipts, invoices, forms, certificates, tickets."""

import random

from samples.layouts.board import Board, Content, brand, digits, sentence, tint

Frame = random.Random  # the seed of what all instances of one layout share


def id_card(frame: Frame, content: Content) -> Board:
    """A card with another portrait, name and number."""
    dark, ground = tint(frame, dark=True), tint(frame, dark=False)
    board = Board((1010, 640), ground, frame.randrange(3))
    board.fill((0, 0, 1010, 100), dark)
    board.write((30, 50), f"REPUBLIC OF {sentence(frame, 1).upper()}", 40, ground, bold=True, anchor="lm")
    for wave in range(12):
        board.pen.arc(
            (300 + 40 * wave, 150, 900 + 40 * wave, 700), 90, 270, tuple(c - 18 for c in ground), 2
        )
    board.show(content.photo((260, 330)), (40, 150))
    for row, label in enumerate(("Name", "Number", "Date of birth", "Place of birth")):
        value = (
            content.name().upper, lambda: content.number("### ### ###"), content.date,
            lambda: content.text(2, 2).upper(),
        )[row]()  # fmt: skip
        board.write((340, 150 + 92 * row), label, 22, (90, 90, 90))
        board.write((340, 178 + 92 * row), value, 38, (10, 10, 10), bold=True)
    board.write((40, 540), f"ID<{content.number('XXX#########')}<<<<<<<<<<<<<<<<<", 34, (10, 10, 10))
    return board


def business_card(frame: Frame, content: Content) -> Board:
    """A card of the same firm for somebody else."""
    dark, ground = tint(frame, dark=True), tint(frame, dark=False)
    board = Board((1050, 600), ground, frame.randrange(3))
    board.fill((0, 0, 330, 600), dark)
    board.mark((75, 90), 180, brand(frame), dark, ground)
    board.write((165, 330), sentence(frame, 1).upper(), 34, ground, bold=True, anchor="mm")
    board.write_lines((40, 380, 300, 560), sentence(frame, 6), 22, ground)
    board.write((380, 110), content.name(), 56, dark, bold=True)
    board.write((380, 190), content.text(2, 3), 32, (80, 80, 80))
    board.rule(380, 980, 260, dark, 3)
    for row, label in enumerate(("Phone", "Mobile", "Mail", "Room")):
        value = content.number("+## ### ######") if row != 2 else content.name().lower().replace(" ", ".")
        board.write((380, 300 + 60 * row), label, 28, (110, 110, 110))
        board.write((520, 300 + 60 * row), value, 28, (20, 20, 20))
    return board


def receipt(frame: Frame, content: Content) -> Board:
    """A till receipt of one shop, with other goods."""
    board = Board((620, 1100), (250, 250, 248), 3)
    board.write((310, 50), f"{sentence(frame, 2).upper()}", 40, (20, 20, 20), bold=True, anchor="mm")
    board.write((310, 100), f"{sentence(frame, 3)}", 24, (20, 20, 20), anchor="mm")
    board.write((310, 135), f"TAX ID {digits(frame, '## ### ###')}", 24, (20, 20, 20), anchor="mm")
    board.write((40, 190), f"{content.date()}  {content.number('1#:##')}", 24, (20, 20, 20))
    board.rule(40, 580, 235, (60, 60, 60))
    count = content.draw(lambda rng: rng.randint(7, 13))
    for row in range(count):
        board.write((40, 255 + 46 * row), content.text(1, 2)[:20], 26, (20, 20, 20))
        board.write((580, 255 + 46 * row), content.number("#.##"), 26, (20, 20, 20), anchor="ra")
    end = 265 + 46 * count
    board.rule(40, 580, end, (60, 60, 60))
    board.write((40, end + 20), "TOTAL", 34, (20, 20, 20), bold=True)
    board.write((580, end + 20), content.number("##.##"), 34, (20, 20, 20), bold=True, anchor="ra")
    board.write((310, 1000), "THANK YOU FOR YOUR VISIT", 26, (20, 20, 20), anchor="mm")
    board.write((310, 1040), sentence(frame, 4).lower(), 22, (20, 20, 20), anchor="mm")
    return board


def invoice(frame: Frame, content: Content) -> Board:
    """An invoice of one firm to somebody else."""
    accent, board = tint(frame, dark=True), Board((1000, 1414), (255, 255, 255), frame.randrange(3))
    board.fill((60, 60, 140, 140), accent)
    board.write((100, 100), brand(frame), 40, (255, 255, 255), bold=True, anchor="mm")
    board.write((160, 62), f"{sentence(frame, 2)} Ltd", 32, (10, 10, 10), bold=True)
    board.write((160, 108), f"{sentence(frame, 4)}", 20, (90, 90, 90))
    board.write((60, 200), "INVOICE", 40, (10, 10, 10), bold=True)
    for row, label in enumerate(("No.", "Date:", "To:")):
        value = (lambda: content.number("20##-####"), content.date, content.name)[row]()
        board.write((60, 260 + 34 * row), f"{label} {value}", 24, (20, 20, 20))
    board.fill((60, 390, 940, 430), tint(frame, dark=False))
    for x, head in ((70, "Item"), (560, "Qty"), (680, "Price"), (820, "Sum")):
        board.write((x, 398), head, 22, (20, 20, 20), bold=True)
    for row in range(12):
        y = 445 + 50 * row
        board.write((70, y), content.text(2, 4), 22, (20, 20, 20))
        for x, pattern in ((560, "#"), (680, "##.00"), (820, "###.00")):
            board.write((x, y), content.number(pattern), 22, (20, 20, 20))
        board.rule(60, 940, y + 38, (225, 225, 225), 1)
    board.write((680, 1080), "Total", 30, (10, 10, 10), bold=True)
    board.write((820, 1080), content.number("####.00"), 30, (10, 10, 10), bold=True)
    board.rule(60, 940, 1290, (60, 60, 60))
    board.write((60, 1305), f"Payment within 30 days. {sentence(frame, 4)}", 18, (90, 90, 90))
    return board


def form(frame: Frame, content: Content) -> Board:
    """A printed form with two or three lines filled in by somebody else."""
    board = Board((1000, 1300), (253, 252, 247), frame.randrange(3))
    board.write((500, 70), sentence(frame, 3).upper(), 38, (15, 15, 15), bold=True, anchor="mm")
    board.write((500, 125), f"Form {digits(frame, '###-#')}", 24, (70, 70, 70), anchor="mm")
    filled = set(frame.sample(range(2, 17), frame.randint(2, 3)))
    for row in range(18):
        y = 180 + 60 * row
        board.write((60, y), f"{row + 1}. {sentence(frame, frame.randint(3, 5))}", 24, (25, 25, 25))
        board.outline((620, y - 10, 940, y + 38), (130, 130, 130), 2)
        if row in filled:
            board.write((635, y - 4), content.text(2, 2)[:18], 30, (20, 30, 120))
    return board


def certificate(frame: Frame, content: Content) -> Board:
    """A certificate of one school for somebody else."""
    gold, ground = tint(frame, dark=True), tint(frame, dark=False)
    board = Board((1400, 1000), ground, frame.randrange(3))
    for margin in (20, 34, 60):
        board.outline((margin, margin, 1400 - margin, 1000 - margin), gold, 4)
    for number in range(36):
        for y, tip in ((62, 88), (938, 912)):
            x = 70 + 35 * number
            board.pen.polygon([(x, y), (x + 30, y), (x + 15, tip)], gold)
    board.write(
        (700, 190), f"CERTIFICATE OF {sentence(frame, 1).upper()}", 60, gold, bold=True, anchor="mm"
    )
    board.write((700, 310), "This is to certify that", 34, gold, anchor="mm")
    board.write((700, 420), content.name(), 70, gold, bold=True, anchor="mm")
    board.write((700, 540), f"has completed the course {content.text(2, 3)}", 34, gold, anchor="mm")
    board.write((700, 640), content.date(), 34, gold, anchor="mm")
    board.mark((170, 700), 170, "SEAL"[:2], ground, tint(frame, dark=True))
    board.rule(900, 1220, 820, gold)
    board.write((1060, 845), sentence(frame, 1), 26, gold, anchor="mm")
    return board


def ticket(frame: Frame, content: Content) -> Board:
    """A boarding pass of one airline for another journey."""
    dark, ground = tint(frame, dark=True), (255, 255, 255)
    board = Board((1200, 520), ground, frame.choice((0, 3)))
    board.fill((0, 0, 1200, 90), dark)
    board.write((40, 45), f"{sentence(frame, 2).upper()} AIR", 40, ground, bold=True, anchor="lm")
    board.write((1160, 45), "BOARDING PASS", 34, ground, anchor="rm")
    for x in range(0, 520, 26):
        board.pen.line((880, x, 880, x + 14), (150, 150, 150), 3)
    fields = (("PASSENGER", 40, 120), ("FROM", 40, 230), ("TO", 330, 230), ("GATE", 40, 340),
              ("SEAT", 220, 340), ("TIME", 400, 340), ("FLIGHT", 620, 230), ("DATE", 620, 340))  # fmt: skip
    for name, x, y in fields:
        value = content.name().upper() if name == "PASSENGER" else content.text(1, 1).upper()[:9]
        if name in {"GATE", "SEAT", "TIME", "FLIGHT", "DATE"}:
            value = content.number({"TIME": "1#:##", "DATE": "## MAY"}.get(name, "X##"))
        board.write((x, y), name, 20, (120, 120, 120))
        board.write((x, y + 26), value, 42, (15, 15, 15), bold=True)
    bars = content.draw(lambda rng: [rng.random() < 0.5 for _ in range(64)])
    for number, black in enumerate(bars):
        if black:
            board.fill((920 + 4 * number, 130, 923 + 4 * number, 330), (0, 0, 0))
    board.write((920, 360), content.number("#### ########"), 28, (15, 15, 15))
    board.write((40, 460), sentence(frame, 9), 20, (110, 110, 110))
    return board
