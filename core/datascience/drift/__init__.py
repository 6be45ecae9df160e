"""Do models still see what they were taught on, and are they still right? What follows is proposed, or done."""
