"""What the pages share: cached models, controls, results. The only place that knows Streamlit."""
