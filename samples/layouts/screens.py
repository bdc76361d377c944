"""Layouts of screens: posts, chats, quotes, charts, slides, news, shops and brand marks."""

import math
import random

from PIL import Image, ImageFilter

from samples.layouts.board import Board, Colour, Content, brand, digits, sentence, tint

Frame = random.Random  # the seed of what all instances of one layout share
GREY: Colour = (110, 118, 125)


def _post_head(board: Board, content: Content, ink: Colour) -> None:
    name = content.name()
    board.mark((40, 40), 100, name[0], (255, 255, 255), content.draw(lambda rng: tint(rng, dark=True)))
    board.write((165, 48), name, 34, ink, bold=True)
    board.write((165, 96), "@" + name.lower().replace(" ", "_"), 28, GREY)


def _post_foot(board: Board, content: Content, frame: Frame, y: int) -> None:
    words = frame.sample(("Reposts", "Quotes", "Likes", "Shares", "Views"), 3)
    board.write((40, y), content.number("9:## AM · Mar #, 202#"), 28, GREY)
    board.rule(40, board.image.width - 40, y + 50, (200, 205, 210))
    for number, word in enumerate(words):
        board.write((40 + 240 * number, y + 70), f"{content.number('#.#K')} {word}", 28, GREY)
    board.rule(40, board.image.width - 40, y + 120, (200, 205, 210))


def post(frame: Frame, content: Content) -> Board:
    """A post of words by somebody else, in the same application."""
    dark = frame.random() < 0.3
    ground, ink = ((20, 24, 30), (235, 238, 240)) if dark else ((255, 255, 255), (15, 20, 25))
    board = Board((1080, 640), ground, frame.choice((0, 0, 1)))
    _post_head(board, content, ink)
    board.write_lines((40, 175, 1040, 420), content.text(9, 22), frame.randint(34, 42), ink)
    _post_foot(board, content, frame, 450)
    return board


def post_with_photo(frame: Frame, content: Content) -> Board:
    """A post with a large photograph."""
    board = Board((1080, 1260), (255, 255, 255), frame.choice((0, 1)))
    _post_head(board, content, (15, 20, 25))
    board.write_lines((40, 170, 1040, 270), content.text(6, 12), 34, (15, 20, 25))
    board.show(content.photo((1000, 760)), (40, 280))
    _post_foot(board, content, frame, 1080)
    return board


def chat(frame: Frame, content: Content) -> Board:
    """A conversation in the same application, with bubbles of other lengths."""
    mine, theirs, bar = tint(frame, dark=False), (255, 255, 255), tint(frame, dark=True)
    board = Board((720, 1280), tuple(c - 25 for c in tint(frame, dark=False)), 0)  # type: ignore[arg-type]
    board.fill((0, 0, 720, 110), bar)
    board.mark((24, 20), 70, content.name()[0], bar, (240, 240, 240))
    board.write((115, 30), content.name(), 32, (255, 255, 255), bold=True)
    board.write((115, 70), "online", 22, (220, 220, 220))
    y = 140
    while y < 1080:
        own = content.draw(lambda rng: rng.random() < 0.5)
        text = content.text(2, 14)
        width = min(480, int(board.font(28).getlength(text)) + 30)
        left = 690 - width if own else 30
        probe = Board((720, 1280), theirs)
        bottom = probe.write_lines((left + 15, y + 12, left + width - 5, 1300), text, 28, (0, 0, 0)) + 30
        if bottom > 1130:
            break
        board.fill((left, y, left + width, bottom), mine if own else theirs, 18)
        board.write_lines((left + 15, y + 12, left + width - 5, 1300), text, 28, (20, 20, 20))
        board.write((left + width - 12, bottom - 26), content.number("1#:##"), 18, GREY, anchor="ra")
        y = bottom + 18
    board.fill((20, 1180, 700, 1260), (255, 255, 255), 40)
    board.write((60, 1204), "Message", 28, (150, 150, 150))
    return board


def quote(frame: Frame, content: Content) -> Board:
    """Words of somebody else on the card of the same publisher."""
    ground, gold = tint(frame, dark=True), tint(frame, dark=False)
    board = Board((1080, 1080), ground, frame.randrange(3))
    board.outline((60, 60, 1020, 1020), gold, 8)
    board.write((130, 100), "“", 220, gold, bold=True)
    board.write_lines((130, 350, 950, 780), content.text(9, 18), 54, (250, 250, 250), bold=True)
    board.rule(130, 500, 820, gold, 6)
    board.write((130, 850), f"{content.name()}, {content.text(1, 1).lower()}", 38, (225, 225, 225))
    board.mark((840, 860), 120, brand(frame), ground, gold)
    return board


def bar_chart(frame: Frame, content: Content) -> Board:
    """A bar chart with other values."""
    fill, board = tint(frame, dark=True), Board((1000, 700), (255, 255, 255), frame.choice((0, 1)))
    board.write((500, 45), sentence(frame, 3), 36, (0, 0, 0), bold=True, anchor="mm")
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    count = frame.randint(6, 12)
    for level in range(0, 101, 20):
        y = 600 - 5 * level
        board.rule(100, 950, y, (225, 225, 225))
        board.write((85, y), str(level), 24, (0, 0, 0), anchor="rm")
    step = 850 / count
    for number in range(count):
        value = content.draw(lambda rng: rng.randint(5, 100))
        left = int(100 + step * (number + 0.2))
        board.fill((left, 600 - 5 * value, int(left + 0.6 * step), 600), fill)
        board.write((left + 0.3 * step, 630), months[number], 24, (0, 0, 0), anchor="mm")
    board.pen.line((100, 80, 100, 600, 950, 600), (0, 0, 0), 3)
    return board


def line_chart(frame: Frame, content: Content) -> Board:
    """A chart of curves with other values."""
    board = Board((1100, 650), tint(frame, dark=False), frame.choice((0, 1)))
    board.write((60, 30), sentence(frame, 4), 36, (0, 0, 0), bold=True)
    for level in range(6):
        y = 560 - 80 * level
        board.rule(110, 1050, y, (190, 190, 190), 1)
        board.write((95, y), f"{level * 25}%", 22, (60, 60, 60), anchor="rm")
    for year in range(8):
        board.write((150 + 120 * year, 590), str(2016 + year), 22, (60, 60, 60), anchor="mm")
    for number in range(frame.randint(1, 3)):
        ink = tint(frame, dark=True)
        values = content.draw(lambda rng: [rng.uniform(0.05, 0.95) for _ in range(16)])
        points = [(130 + 60 * at, 560 - 400 * value) for at, value in enumerate(values)]
        board.pen.line(points, ink, 5, joint="curve")
        board.fill((820, 30 + 34 * number, 850, 50 + 34 * number), ink)
        board.write((860, 26 + 34 * number), f"{sentence(frame, 1)}", 24, (30, 30, 30))
    return board


def slide(frame: Frame, content: Content) -> Board:
    """Another slide of the same talk."""
    accent, board = tint(frame, dark=True), Board((1280, 720), (255, 255, 255), frame.randrange(3))
    board.fill((0, 0, 1280, 120), accent)
    board.write((50, 60), content.text(2, 4), 50, (255, 255, 255), bold=True, anchor="lm")
    y = 170
    for _ in range(content.draw(lambda rng: rng.randint(3, 5))):
        board.pen.ellipse((60, y + 12, 78, y + 30), accent)
        y = board.write_lines((100, y, 800, 640), content.text(5, 11), 34, (30, 30, 30)) + 20
    board.show(content.photo((380, 300)), (850, 190))
    board.rule(0, 1280, 660, accent, 4)
    board.mark((40, 668), 46, brand(frame), (255, 255, 255), accent)
    board.write((110, 690), f"{sentence(frame, 3)} · {sentence(frame, 2)}", 22, GREY, anchor="lm")
    board.write((1240, 690), content.number("##"), 22, GREY, anchor="rm")
    return board


def news(frame: Frame, content: Content) -> Board:
    """Other news of the same channel: its banner over another picture."""
    accent, board = tint(frame, dark=True), Board((1280, 720), (0, 0, 0), frame.choice((0, 2)))
    board.show(content.photo((1280, 720)), (0, 0))
    board.fill((0, 520, 1280, 640), accent)
    board.fill((0, 640, 1280, 720), (245, 245, 245))
    board.fill((40, 470, 300, 520), (200, 20, 30))
    board.write((170, 495), "BREAKING NEWS", 28, (255, 255, 255), bold=True, anchor="mm")
    board.write((40, 580), content.text(3, 5).upper()[:38], 48, (255, 255, 255), bold=True, anchor="lm")
    board.write((40, 680), content.text(6, 9), 30, (20, 20, 20), anchor="lm")
    board.fill((1080, 30, 1250, 110), accent)
    board.write((1165, 70), f"{brand(frame)}24", 46, (255, 255, 255), bold=True, anchor="mm")
    board.write((1230, 680), "LIVE", 30, (200, 20, 30), bold=True, anchor="rm")
    return board


def packshot(frame: Frame, content: Content) -> Board:
    """The same pack with another label."""
    body, board = tint(frame, dark=True), Board((900, 1100), (246, 246, 246), frame.randrange(3))
    shade = Image.linear_gradient("L").rotate(90).resize((420, 820))
    pack = Image.composite(
        Image.new("RGB", (420, 820), body),
        Image.new("RGB", (420, 820), tuple(min(255, c + 120) for c in body)),
        shade,
    )
    board.show(pack, (240, 200))
    board.fill((330, 80, 570, 200), body, 20)
    for line in range(6):
        board.rule(335, 565, 95 + 18 * line, tuple(min(255, c + 50) for c in body), 3)  # type: ignore[arg-type]
    board.mark((385, 240), 130, brand(frame), body, (250, 250, 250))
    board.write((450, 410), sentence(frame, 1).upper(), 42, (250, 250, 250), bold=True, anchor="mm")
    label = content.draw(lambda rng: tint(rng, dark=False))
    board.fill((265, 460, 635, 860), label, 24)
    board.write_lines((285, 480, 620, 590), content.text(2, 2).upper(), 44, (20, 20, 20), bold=True)
    board.show(content.photo((230, 170)), (335, 600))
    board.write((450, 810), content.number("### g"), 40, (20, 20, 20), anchor="mm")
    board.write((450, 930), digits(frame, "Batch #### ##"), 24, (240, 240, 240), anchor="mm")
    board.image = board.image.filter(ImageFilter.GaussianBlur(0.6))
    return board


def brand_card(frame: Frame, content: Content) -> Board:
    """The offer of one brand for something else."""
    ground, ink = tint(frame, dark=False), tint(frame, dark=True)
    board = Board((1080, 1080), ground, frame.randrange(3))
    for number in range(24):
        angle = math.tau * number / 24
        board.pen.line((540, 300, 540 + 230 * math.cos(angle), 300 + 230 * math.sin(angle)), ink, 10)
    board.mark((380, 140), 320, brand(frame), ground, ink)
    board.write((540, 570), sentence(frame, 2).upper(), 56, ink, bold=True, anchor="mm")
    board.write((540, 690), content.text(2, 3), 52, (20, 20, 20), anchor="mm")
    board.write((540, 810), content.number("##% OFF"), 110, ink, bold=True, anchor="mm")
    board.write((540, 930), f"until {content.date()}", 38, (60, 60, 60), anchor="mm")
    board.rule(80, 1000, 1000, ink, 6)
    return board


def poster(frame: Frame, content: Content) -> Board:
    """Another announcement in the frame of one organiser: another picture, title and day."""
    accent, ground = tint(frame, dark=True), tint(frame, dark=False)
    board = Board((900, 1200), ground, frame.randrange(3))
    board.outline((24, 24, 876, 1176), accent, 12)
    board.write((450, 90), sentence(frame, 3).upper(), 42, accent, bold=True, anchor="mm")
    board.show(content.photo((760, 560)), (70, 150))
    board.write_lines((70, 750, 830, 900), content.text(3, 5), 56, accent, bold=True)
    board.write((70, 930), content.date(), 42, (40, 40, 40))
    board.rule(70, 830, 1020, accent, 4)
    board.mark((70, 1050), 90, brand(frame), ground, accent)
    board.write((190, 1075), sentence(frame, 5), 28, (60, 60, 60))
    return board


def profile(frame: Frame, content: Content) -> Board:
    """The page of somebody else in the same application."""
    accent, board = tint(frame, dark=True), Board((720, 1280), (255, 255, 255), 0)
    board.fill((0, 0, 720, 90), accent)
    board.write((360, 45), sentence(frame, 1), 34, (255, 255, 255), bold=True, anchor="mm")
    board.show(content.photo((200, 200)), (40, 130), round_=True)
    for number, label in enumerate(("Posts", "Followers", "Following")):
        board.write(
            (330 + 140 * number, 180), content.number("#,###"), 30, (0, 0, 0), bold=True, anchor="mm"
        )
        board.write((330 + 140 * number, 220), label, 22, GREY, anchor="mm")
    board.write((40, 360), content.name(), 32, (0, 0, 0), bold=True)
    board.write_lines((40, 405, 680, 490), content.text(6, 12), 26, (40, 40, 40))
    board.fill((40, 520, 500, 580), accent, 10)
    board.write((270, 550), "Follow", 28, (255, 255, 255), anchor="mm")
    for row in range(3):
        for column in range(3):
            board.show(content.photo((232, 220)), (6 + 238 * column, 610 + 226 * row))
    return board
