"""Memory of processes, from /proc."""

from processes import children, read


def status(process, field):
    """A figure of /proc/PID/status in KiB: VmRSS, VmHWM."""
    for line in read(process, "status").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(f"process {process} has no {field}")


def mappings(process):
    """Of each mapping: what names its shared pages, its private KiB and its shared KiB."""
    found = []
    for line in read(process, "smaps").splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            file = words[4] != "0"
            found.append([(words[4], words[2]) if file else words[0].partition("-")[0], 0, 0])
        elif words[0].startswith("Private_") and words[-1] == "kB":
            found[-1][1] += int(words[1])
        elif words[0].startswith("Shared_") and words[-1] == "kB":
            found[-1][2] += int(words[1])
    return found


def resident(processes):
    """KiB of processes that were forked from one, pages that they share counted once. A page of a
    file is known by inode and offset, any other by its address."""
    private, shared = 0, {}
    for process in processes:
        for name, own, common in mappings(process):
            private += own
            shared[name] = max(shared.get(name, 0), common)
    return private + sum(shared.values())


def family(parent, but=()):
    """It and its children, without those of some names."""
    return [parent, *(child for child in children(parent)
                      if read(child, "comm").strip() not in but)]
