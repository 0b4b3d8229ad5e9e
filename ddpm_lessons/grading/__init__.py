"""Learners' notebooks are graded without being trusted.

The answers of a notebook run in a process of their own, the worker, in an empty folder. It sends
back what they gave as plain data; what is right is decided here, in a process that runs nothing of
a learner's. Between the two stand walls, one behind the other. None of them is perfect alone.

1. `honesty` reads the code before it runs, and refuses answers that look the solution up in the
   check. It sees what is written plainly, not what is hidden with effort.
2. The solutions are taken out of the worker's memory before any answer runs (`worker.forget`), and
   the comparison happens elsewhere: to exchange `torch.allclose` or the checks achieves nothing.
3. Python's audit hook (`walls`) refuses to write, delete or rename outside of the worker's folder,
   to read other learners' work and the instructor's home, to start programs, to use the network, to
   reach into memory. A refusal ends the exercise, also where the code catches the exception. It
   does not see what C++ does by itself: `torch.save` with a file's name, for one.
4. On Linux the kernel keeps the same walls against any code (`kernel`): Landlock for files, TCP and
   signals, seccomp for processes and sockets. Elsewhere nothing stands in their place.
5. Limits of the system (`walls.limit`): memory, processor time, the size of a file, open files. Not
   on Windows; on macOS not for memory.
6. The grader watches (`process`): time by the clock, and every 50 ms the resident memory and the
   size of the folder; it kills the worker with all that this has started. Another does the rest.
7. The worker gets nothing of the instructor's environment, no standard input, and a bounded
   output; its folder is deleted.

What is left: the answers of one learner share a worker, and one may spoil the next. Code in it may
find the pipe to the grader and write "answers" to it; they still have to be right. It may compute
for as long as it is given, and read what any program of Python may read. Whoever expects attacks
from experts grades in a container or virtual machine, or with an account made for that purpose.
"""
