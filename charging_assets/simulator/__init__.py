"""A simulated charging network with a seed: it writes histories and serves the API.

Belongs here: synthetic data and its ground truth, with which the pipeline's results are scored.
Does not belong here: anything that the pipeline needs. The simulator depends only on the archive's
format; only the command line and the tests use the simulator.

    topology, places         stations, EVSEs and connectors
    demand, spells           sessions; outages and their duration
    life                     renamed, relabelled, replaced and absent stations
    state                    one place over time: the layers above combined
    descriptions, dirt       attributes of stations, and data quality defects in them
    answers, hostile         the JSON of a place at an instant, with malformed records
    network, truth           the public interface and the ground truth
    history                  output as raw objects for a past period
    server, fault_responses  output over HTTP on loopback, with faults
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
