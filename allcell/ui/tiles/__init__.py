"""What a browser fetches of an open slide by HTTP: its tiles, and the cells of what it shows.

Beside Streamlit's own routes, since a picture that moves under the hand cannot wait for a script
to run again. Knows nothing of pages: `shown` says what a page has to offer.
"""
