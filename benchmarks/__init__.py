"""Speed and memory, each measured beside what it is compared with; `make bench` runs them all."""
