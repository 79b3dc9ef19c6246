"""Classifiers with the contract of scikit-learn: the judges of usefulness, and methods that are classifiers."""
