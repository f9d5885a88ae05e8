"""What the speed claims run: ``python -m benchmarks.scoring | losses | step | decoding``."""
