-- Generated from sql/checks/flat_polls__no_untrimmed_text.sql (5ac833163317ea50) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  place,
  MAX(untrimmed_count) AS text_count,
  MIN(untrimmed_example) AS example_text
FROM staging.flat_polls
WHERE
  slot_at >= $window_start AND slot_at < $window_end AND untrimmed_count > 0
GROUP BY
  feed,
  place
ORDER BY
  text_count DESC NULLS FIRST,
  feed ASC,
  place ASC
