"""What all pages share: the frame, the list of models, controls, charts, words."""
