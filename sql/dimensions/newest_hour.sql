-- Grain: one row: the newest hour that is loaded, :window_start if none is.
-- Scope: the ledger of :asset.
SELECT COALESCE(MAX(slot_at), :window_start) AS newest_at
FROM ops.ledger
WHERE asset = :asset;
