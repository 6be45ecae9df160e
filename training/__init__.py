"""What is fitted: jobs for Ray Train and Ray Tune, and the data that they are fitted on."""
