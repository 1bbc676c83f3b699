"""Work in a forked process with a time limit, so that a crash or a hang is a row of a table."""

import multiprocessing


def in_fork(work, seconds):
    """(what `work()` returns, "") or (None, what became of its process). What it returns is pickled."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(work()), daemon=True)
    process.start()
    sender.close()
    try:
        if receiver.poll(seconds):
            return receiver.recv(), ""
        process.kill()
        return None, f"still running after {seconds:.0f} s"
    except EOFError:
        process.join()
        return None, f"the process ended with {process.exitcode}"
    finally:
        process.join()
