"""What two or more slices share: results, models, frames and their types."""
