-- Grain: one row: the newest loaded hour, :window_start if there is none.
-- Scope: the ledger of :asset.
SELECT COALESCE(MAX(slot_at), :window_start) AS newest_at
FROM ops.ledger
WHERE asset = :asset;
