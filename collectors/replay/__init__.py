"""Source `replay`: a recorded file, played back with its own timing."""
