"""Where samples come from: microphones, files, standard input, and the checks of what they deliver."""
