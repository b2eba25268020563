"""The colours of a picture, RGB."""

BACKGROUND = (255, 255, 255)
INK = (45, 45, 45)
GREEN = (0, 150, 70)
RED = (220, 45, 45)
GREY = (165, 165, 165)
TRACK = (225, 225, 225)
FUTURE = {"truth": GREY, "prediction": RED}  # the border from n_past on, by the row's kind
