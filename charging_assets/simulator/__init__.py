"""A seeded charging network in simulated time: it writes histories and serves the API.

Belongs here: everything made up, and the truth about it, so that what the pipeline derives can
be scored. Does not belong here: anything that the pipeline needs. The simulator knows only the
archive's format; nothing outside the command line and the tests knows the simulator.

    topology, places    which stations, EVSEs and connectors there are
    demand, spells      who comes and how long they stay; what breaks and for how long
    life                what is renamed, relabelled, replaced, swapped, away
    state               one place over time: all of the above, laid over each other
    descriptions, dirt  what a station says of itself, and how badly it says it
    answers, hostile    the JSON of a place at an instant
    network, truth      the front door, and what really happened
    history, server     the two ways out: raw objects for a past period, HTTP on loopback
"""

from charging_assets.simulator.demand import Demand
from charging_assets.simulator.history import HistoryReport, Polling, write_history
from charging_assets.simulator.life import Life
from charging_assets.simulator.network import DEFAULT_START, FEED, Network, UnknownPlace
from charging_assets.simulator.spells import Reliability
from charging_assets.simulator.truth import Outage, Session, Truth

__all__ = [
    "DEFAULT_START",
    "FEED",
    "Demand",
    "HistoryReport",
    "Life",
    "Network",
    "Outage",
    "Polling",
    "Reliability",
    "Session",
    "Truth",
    "UnknownPlace",
    "write_history",
]
