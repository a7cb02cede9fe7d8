"""One evaluator for all models: matching, metrics, labelled folders, results."""
