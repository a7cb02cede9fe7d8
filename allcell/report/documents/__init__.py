"""What is written anew from the JSON of measurements: cards and README."""
