"""Long runs of random input against what reads the input of others: `make fuzz`."""
