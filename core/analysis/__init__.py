"""What a call showed: who talked how much, about what, which objections came and were met, what was agreed, how good
it was and why. Pure functions over turns and moods; `aggregate` writes the result."""
