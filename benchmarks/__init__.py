"""What the connector costs beside what else there is: ``make bench`` (docs/performance.md says what it found)."""
