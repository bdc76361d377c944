"""A small witness: cosigns checkpoints of logs that only grow (c2sp.org/tlog-witness).

It knows the logs that it is told of, what it cosigned last of each, and its own key. It must not know what
a log's entries say, nor anything of the registry: whoever runs it need not run one.
"""
