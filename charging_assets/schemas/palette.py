"""Colours and shapes of states, with a contrast of at least 3:1 on white.

The colours are from the colour-blind safe palettes of Okabe and Ito and of Paul Tol, some darkened
for contrast. Shapes repeat the information of colours.
"""

from __future__ import annotations

STATUS = {
    "AVAILABLE": "#00805d",
    "CHARGING": "#0072b2",
    "RESERVED": "#aa4499",
    "BLOCKED": "#a66f00",
    "INOPERATIVE": "#661133",
    "OUTOFORDER": "#d55e00",
    "UNKNOWN": "#767676",
}

# The state of a station as a driver would find it.
STATION = {
    "free": ("#00805d", "circle"),
    "busy": ("#0072b2", "square"),
    "failed": ("#d55e00", "triangle-up"),
    "unknown": ("#767676", "diamond"),
    "old": ("#a3a3a3", "cross"),
}

INK, QUIET, GRID, LINE = "#1b2733", "#51606e", "#dde3e8", "#0072b2"
SECOND, RULE = "#d55e00", "#661133"
GAP = "#f4f1ea"
