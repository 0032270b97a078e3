"""An IO manager for Redshift that loads by COPY, for assets of any project.

`WarehouseIOManager` stores frames by the same code.
"""

from __future__ import annotations

from charging_assets.frame_io_manager import FrameIOManager
from charging_assets.lake.store import Lake
from charging_assets.warehouse.redshift.connection import RedshiftResource
from charging_assets.warehouse.redshift.frames import RedshiftFrames


class RedshiftIOManager(FrameIOManager):
    """Outputs replace their partition in one transaction; inputs are read from it.

    An asset `["sales", "orders"]` is the table `sales.orders`; a key of one part is in `schema`.
    Where an asset has partitions, its metadata `partition_expr` names the column with the
    partition of a row: a timestamp for time windows, text for all others. The first output creates
    the table, with its columns, if it is absent. Rows are staged in `lake`, which `iam_role`
    may read, and removed again.
    """

    def __init__(
        self, redshift: RedshiftResource, lake: Lake, iam_role: str, *, schema: str = "public"
    ) -> None:
        super().__init__(RedshiftFrames(redshift, lake, iam_role), schema=schema)
