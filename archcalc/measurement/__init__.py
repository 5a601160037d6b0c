"""What a measurement is, as data: latencies, saved runs, whether one run is slower than another. No torch is needed."""
