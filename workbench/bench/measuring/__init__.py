"""Measures a running stack, and writes what it finds as `workbench.bench.results`.

commands     the command line
run          one run: cold starts, warm requests, throughput, each subject in turn
subjects     a model on one architecture that can be asked, and started anew: on this machine or on AWS
baselines    functions to compare with, deployed beside the stack (their code is in `workbench.bench.baselines`)
questions    requests with a given number of tokens
timing       the phases of a cold start
throughput   many requests at once
overhead     what the serving code takes around the engine
full_size    a full-size model of random weights, to measure without a download
targets      the ratios that a run has to reach
tables       Markdown tables of a run
"""
