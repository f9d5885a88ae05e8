"""Steps of the migrations, in the order of their numbers."""
