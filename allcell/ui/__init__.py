"""The code of the pages: cached models, controls, results. Streamlit is used only here."""
