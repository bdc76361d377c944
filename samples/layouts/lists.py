"""Layouts of rows and days: tables, menus, event pages, settings; and the lockup of a logo."""

import random

from samples.layouts.board import Board, Content, brand, digits, sentence, tint

Frame = random.Random  # the seed of what all instances of one layout share
INK, GREY, RULE = (20, 20, 20), (110, 118, 125), (210, 214, 218)


def table(frame: Frame, content: Content) -> Board:
    """The same sheet with other rows and figures."""
    accent, board = tint(frame, dark=True), Board((1200, 900), (255, 255, 255), frame.choice((0, 3)))
    board.fill((0, 0, 1200, 60), accent)
    board.write((20, 30), f"{sentence(frame, 2)}.xlsx", 26, (255, 255, 255), anchor="lm")
    edges = [60, 400, 560, 720, 880, 1040, 1200]
    board.fill((0, 60, 1200, 100), (235, 237, 239))
    for number, x in enumerate(edges[:-1]):
        board.write((x + 12, 80), "ABCDEF"[number], 22, GREY, anchor="lm")
        board.pen.line((x, 60, x, 900), RULE, 2)
    heads = [sentence(frame, 1) for _ in edges[:-1]]
    for row in range(20):
        y = 100 + 40 * row
        board.write((30, y + 20), str(row + 1), 20, GREY, anchor="mm")
        board.rule(0, 1200, y + 40, RULE, 1)
        for number, x in enumerate(edges[:-1]):
            if row == 0:
                board.write((x + 12, y + 20), heads[number], 22, INK, bold=True, anchor="lm")
            elif number == 0:
                board.write((x + 12, y + 20), content.text(1, 2)[:22], 22, INK, anchor="lm")
            else:
                board.write((edges[number + 1] - 12, y + 20), content.number("#,###"), 22, INK, anchor="rm")
    return board


def event(frame: Frame, content: Content) -> Board:
    """Another event on the page of one calendar."""
    accent, ground = tint(frame, dark=True), tint(frame, dark=False)
    board = Board((800, 1200), (255, 255, 255), frame.randrange(3))
    board.fill((0, 0, 800, 120), accent)
    board.write(
        (400, 60), f"{content.date().split(' ', 1)[1]}", 44, (255, 255, 255), bold=True, anchor="mm"
    )
    chosen, first = content.draw(lambda rng: rng.randint(1, 28)), content.draw(lambda rng: rng.randrange(7))
    for column, weekday in enumerate(("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")):
        board.write((85 + 105 * column, 160), weekday, 26, GREY, anchor="mm")
    for day in range(1, 31):
        row, column = divmod(first + day - 1, 7)
        x, y = 85 + 105 * column, 220 + 74 * row
        if day == chosen:
            board.pen.ellipse((x - 32, y - 32, x + 32, y + 32), accent)
        board.write((x, y), str(day), 28, (255, 255, 255) if day == chosen else INK, anchor="mm")
    board.fill((30, 680, 770, 1080), ground, 24)
    board.write_lines((60, 710, 740, 830), content.text(3, 5), 40, accent, bold=True)
    for row, label in enumerate(("When", "Where", "Who")):
        value = (lambda: content.number("1#:## to 2#:##"), lambda: content.text(2, 2), content.name)[row]()
        board.write((60, 860 + 64 * row), label, 28, GREY)
        board.write((220, 860 + 64 * row), value, 30, INK)
    board.fill((30, 1110, 770, 1170), accent, 16)
    board.write((400, 1140), "Add to calendar", 28, (255, 255, 255), bold=True, anchor="mm")
    return board


def menu(frame: Frame, content: Content) -> Board:
    """The card of one restaurant on another day."""
    ink, ground = tint(frame, dark=True), tint(frame, dark=False)
    board = Board((900, 1270), ground, frame.randrange(3))
    for margin in (24, 36):
        board.outline((margin, margin, 900 - margin, 1270 - margin), ink, 3)
    board.write((450, 110), sentence(frame, 2).upper(), 56, ink, bold=True, anchor="mm")
    board.write((450, 175), sentence(frame, 4), 28, ink, anchor="mm")
    for part, y in (("Starters", 240), ("Mains", 550), ("Sweets", 860)):
        board.write((450, y), part, 40, ink, bold=True, anchor="mm")
        board.rule(330, 570, y + 32, ink)
        for row in range(4):
            board.write((90, y + 60 + 54 * row), content.text(2, 3), 30, INK)
            board.write((810, y + 60 + 54 * row), content.number("##.#0"), 30, INK, anchor="ra")
    board.write((450, 1190), f"{sentence(frame, 3)}, {digits(frame, '## ## ##')}", 24, ink, anchor="mm")
    return board


def settings(frame: Frame, content: Content) -> Board:
    """The settings of somebody else in one application: the same rows, other values and switches."""
    accent, dark = tint(frame, dark=True), frame.random() < 0.3
    ground, ink = ((22, 24, 28), (235, 238, 240)) if dark else ((255, 255, 255), INK)
    board = Board((720, 1280), ground, 0)
    board.write((40, 50), "Settings", 44, ink, bold=True)
    name = content.name()
    board.mark((40, 130), 110, name[0], (255, 255, 255), content.draw(lambda rng: tint(rng, dark=True)))
    board.write((175, 145), name, 34, ink, bold=True)
    board.write((175, 195), f"{name.lower().replace(' ', '.')}@example.org", 24, GREY)
    for row in range(10):
        y = 280 + 96 * row
        board.pen.ellipse((40, y + 20, 84, y + 64), tint(frame, dark=True))
        board.write((110, y + 42), sentence(frame, 2), 28, ink, anchor="lm")
        if frame.random() < 0.5:
            on = content.draw(lambda rng: rng.random() < 0.5)
            board.fill((600, y + 22, 680, y + 62), accent if on else (170, 175, 180), 20)
            left = 642 if on else 602
            board.pen.ellipse((left, y + 24, left + 36, y + 60), (255, 255, 255))
        else:
            board.write((680, y + 42), content.text(1, 1), 26, GREY, anchor="rm")
        board.rule(110, 720, y + 92, RULE if not dark else (50, 54, 60), 1)
    return board


def logo(frame: Frame, content: Content) -> Board:
    """The mark of one house with the name of another of its branches."""
    ink, ground = tint(frame, dark=True), frame.choice(((255, 255, 255), tint(frame, dark=False)))
    board = Board((1200, 600), ground, frame.randrange(3))
    board.mark((80, 130), 340, brand(frame), ground, ink)
    for ring in range(3):
        board.pen.arc((60 - 14 * ring, 110 - 14 * ring, 440 + 14 * ring, 490 + 14 * ring), 200, 340, ink, 6)
    board.write((500, 200), sentence(frame, 1).upper(), 92, ink, bold=True, anchor="lm")
    board.rule(500, 1120, 275, ink, 6)
    board.write((500, 340), content.text(1, 2), 60, (70, 70, 70), anchor="lm")
    board.write((500, 420), content.text(2, 3).lower(), 34, (120, 120, 120), anchor="lm")
    board.write((500, 470), f"since {digits(frame, '19##')}", 30, ink, anchor="lm")
    return board
