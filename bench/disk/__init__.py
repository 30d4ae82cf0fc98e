"""What a run leaves on disk, and the way in and out."""
