"""From MQTT or a file to committed rows: decode, validate, ledger, COPY, receipt; what is refused is quarantined."""
