"""Runs the functions of the local stack as AWS Lambda does: `service.LambdaService`.

functions      what the emulator says about a function, and the environment variables its code will see
launchers      how a runtime is started and ended: as a process, or elsewhere
environments   an execution environment: one runtime, and the Runtime API it talks to
pools          the execution environments of one version of a function
invocations    one invocation, through its phases to its outcome
reports        what is measured of an invocation, and the lines that Lambda writes into a function's log
service        takes invocations from the emulator and puts the above together
"""
