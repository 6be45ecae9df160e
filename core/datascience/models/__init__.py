"""Models as serving and people see them: bundles, what scores with them, calibration, versions."""
