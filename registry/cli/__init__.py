"""The operator's commands, a registry in one folder, its demonstration and its evaluation.

It knows how parts are started and stopped and what a terminal shows. Nothing else may import it.
"""
