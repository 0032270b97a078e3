"""The places of the simulated feed: real cities with their real numbers of stations.

Only counts and city centres are real; `descriptions` makes up names, addresses and ids.
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A place: its number of stations at 1× and its position (degrees)."""

    slug: str
    city: str
    stations: int
    latitude: float
    longitude: float
    postal_area: str

    @property
    def number(self) -> int:
        """Its position in the list, from 1: the digits of its operator's id."""
        return PLACES.index(self) + 1


PLACES = (
    Place("koeln", "Köln", 168, 50.94, 6.96, "506"),
    Place("dortmund", "Dortmund", 160, 51.51, 7.47, "441"),
    Place("bonn", "Bonn", 89, 50.73, 7.10, "531"),
    Place("muenster", "Münster", 20, 51.96, 7.63, "481"),
    Place("kiel", "Kiel", 48, 54.32, 10.14, "241"),
    Place("chemnitz", "Chemnitz", 51, 50.83, 12.92, "091"),
    Place("krefeld", "Krefeld", 18, 51.33, 6.56, "477"),
    Place("leverkusen", "Leverkusen", 11, 51.03, 6.98, "513"),
    Place("heidelberg", "Heidelberg", 46, 49.41, 8.69, "691"),
    Place("solingen", "Solingen", 33, 51.17, 7.08, "426"),
    Place("ingolstadt", "Ingolstadt", 27, 48.76, 11.42, "850"),
    Place("pforzheim", "Pforzheim", 37, 48.89, 8.70, "751"),
    Place("goettingen", "Göttingen", 50, 51.53, 9.93, "370"),
    Place("erlangen", "Erlangen", 10, 49.60, 11.00, "910"),
    Place("tuebingen", "Tübingen", 33, 48.52, 9.06, "720"),
    Place("bayreuth", "Bayreuth", 7, 49.95, 11.58, "954"),
    Place("bocholt", "Bocholt", 12, 51.84, 6.62, "463"),
    Place("dormagen", "Dormagen", 11, 51.09, 6.84, "415"),
    Place("rastatt", "Rastatt", 11, 48.86, 8.20, "764"),
    Place("hof", "Hof", 6, 50.32, 11.92, "950"),
    Place("weinheim", "Weinheim", 11, 49.55, 8.67, "694"),
    Place("bruchsal", "Bruchsal", 62, 49.12, 8.60, "766"),
    Place("nettetal", "Nettetal", 4, 51.31, 6.28, "413"),
    Place("ansbach", "Ansbach", 9, 49.30, 10.57, "915"),
    Place("schwabach", "Schwabach", 9, 49.33, 11.02, "911"),
    Place("ettlingen", "Ettlingen", 20, 48.94, 8.41, "762"),
    Place("crailsheim", "Crailsheim", 5, 49.14, 10.07, "745"),
    Place("deggendorf", "Deggendorf", 5, 48.84, 12.96, "944"),
    Place("forchheim", "Forchheim", 19, 49.72, 11.06, "913"),
    Place("bretten", "Bretten", 3, 49.04, 8.71, "750"),
    Place("buehl", "Bühl", 7, 48.70, 8.14, "778"),
    Place("zirndorf", "Zirndorf", 1, 49.44, 10.95, "905"),
    Place("roth", "Roth", 5, 49.25, 11.09, "911"),
    Place("calw", "Calw", 122, 48.71, 8.74, "753"),
    Place("herzogenaurach", "Herzogenaurach", 18, 49.57, 10.88, "910"),
    Place("wertheim", "Wertheim", 7, 49.76, 9.51, "978"),
    Place("kitzingen", "Kitzingen", 2, 49.74, 10.16, "973"),
    Place("lichtenfels", "Lichtenfels", 5, 50.15, 11.06, "962"),
)
