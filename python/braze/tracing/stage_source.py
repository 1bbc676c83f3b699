"""The tape of a call as Python functions: stages, which are compiled like any function, and one that runs them in order
with the cuts in between.

A stage is a run of steps between two cuts. A stage reads sizes from the tensors that it works on and gets others as
numbers; what varies is found out as for any compiled function. Stages of equal source are one function: the experts of
a mixture, the levels of a pyramid.
"""

import math
import types

from braze.tracing.staged_tape import MAY_GIVE_WHAT_THEY_GET, READ_NAME, Question, Step, reads_in
from braze.tracing.tape import Size, Slot, attribute_name, leaves

FEWEST_WORKING_STEPS = 2  # a stage with less is not worth a compiled function
MOST_COPIES = 4


class PathLeft(Exception):
    """Python would take another way with these values."""


class Block:
    """Steps and questions that run as one stage, or (`is_inline`) one by one."""

    def __init__(self, is_inline):
        self.is_inline = is_inline
        self.parts = []
        self.used = []  # numbers of tensors from before, in the order of first use
        self.made = []  # numbers of tensors
        self.sizes = []  # names of reads, of tensors that a stage does not use
        self.measured = []  # numbers of those tensors


def blocks_of(lesson):
    """The steps in blocks. Reads stand in none of them: each block makes those that it needs."""
    blocks = []
    for part in lesson.steps:
        if type(part) is Step and part.is_read and part.reads:
            continue
        if type(part) is Question:
            is_inline = not lesson.values.isdisjoint(part.reads)
            if not is_inline and blocks:
                is_inline = blocks[-1].is_inline
        else:
            is_inline = part.is_cut
        if not blocks or blocks[-1].is_inline != is_inline:
            blocks.append(Block(is_inline))
        blocks[-1].parts.append(part)
    merged = []
    for block in (part for whole in blocks for part in split_at_end(whole)):
        works = sum(type(part) is Step and part.works for part in block.parts)
        block.is_inline = block.is_inline or works < FEWEST_WORKING_STEPS
        if merged and merged[-1].is_inline and block.is_inline:
            merged[-1].parts += block.parts
        else:
            merged.append(block)
    return merged


def split_at_end(block):
    """A stage and, on their own, the last steps that only look at what it made, or that do not need it: they prepare what
    comes next, and without them more stages are equal.
    """
    if block.is_inline:
        return [block]
    parts, position = block.parts, len(block.parts)
    made_at = {number: i for i, part in enumerate(parts) for number in tensors_made_by(part)}
    first_needed, works = len(parts), 0
    for i in range(len(parts) - 1, 0, -1):
        if type(parts[i]) is Question:
            break
        works += parts[i].works
        first_needed = min([first_needed, *(made_at[n] for n in tensors_of(parts[i]) if n in made_at)])
        if works == 0 or (works < FEWEST_WORKING_STEPS and first_needed >= i):
            position = i
    ending = Block(is_inline=True)
    block.parts, ending.parts = parts[:position], parts[position:]
    return [part for part in (block, ending) if part.parts]


class Writer:
    """Source text of parts, with names of its own for tensors and reads, and the constants it names."""

    def __init__(self, reads, names):
        self.read_steps = reads  # the name of a read -> the step that reads it, but for values
        self.names = names  # number of a tensor -> its name
        self.known_reads = {}
        self.lines = []
        self.constants = {}  # name -> object
        self.constant_names = {}
        self.count = 0

    def fresh(self, letter):
        self.count += 1
        return f"{letter}{self.count}"

    def constant(self, value, letter):
        known = self.constant_names.get(id(value))
        if known is None:
            known = self.constant_names[id(value)] = f"{letter}{len(self.constants)}"
            self.constants[known] = value
        return known

    def add(self, part):
        if type(part) is Question:
            self.lines.append(f"if not ({self.renamed(part.source)}): raise PathLeft")
        else:
            self.add_step(part)

    def add_step(self, step):
        call = self.call(step)
        if not step.is_flat:
            call = f"leaves({call})"
        targets, checks = [], []
        for answer, is_same in zip(step.answers, step.is_same):
            if type(answer) is Slot and not is_same:
                name = self.names[answer.index] = self.names.get(answer.index) or self.fresh("t")
            elif type(answer) is str:
                name = self.known_reads[answer] = self.fresh("r")
            else:
                name = self.fresh("c")
                if type(answer) is Slot:
                    checks.append(f"{name} is not {self.names[answer.index]}")
                else:
                    value = self.expression(answer[0])
                    is_object = answer[0] is None or isinstance(answer[0], (bool, types.EllipsisType))
                    checks.append(f"{name} is not {value}" if is_object else f"{name} != {value}")
            if type(answer) is Slot and not is_same and attribute_name(step.function) in MAY_GIVE_WHAT_THEY_GET:
                checks += [f"{name} is {self.expression(arg)}" for arg in step.args if type(arg) is Slot]
            targets.append(name)
        if len(targets) == 1 and step.is_flat and not step.is_sequence:
            self.lines.append(f"{targets[0]} = {call}")
        else:
            self.lines.append(f"({''.join(target + ', ' for target in targets)}) = {call}")
        if checks:
            self.lines.append(f"if {' or '.join(checks)}: raise PathLeft")

    def call(self, step):
        if attribute_name(step.function) != getattr(step.function, "__name__", None) and len(step.args) == 1:
            return f"{self.expression(step.args[0])}.{attribute_name(step.function)}"
        function = self.constant(step.function, "f")
        args = [self.expression(arg) for arg in step.args]
        args += [f"{name}={self.expression(arg)}" for name, arg in step.kwargs.items()]
        return f"{function}({', '.join(args)})"

    def renamed(self, source):
        return READ_NAME.sub(lambda match: self.read(match[0]), source)

    def read(self, name):
        """The name here of a read: it is read anew where it is not known yet."""
        if name not in self.known_reads:
            self.add_step(self.read_steps[name])
        return self.known_reads[name]

    def expression(self, template):
        kind = type(template)
        if kind is Slot:
            return self.names[template.index]
        if kind is Size:
            return f"({self.renamed(template.source)})"
        if kind is tuple:
            return f"({''.join(self.expression(item) + ', ' for item in template)})"
        if kind is list:
            return f"[{', '.join(map(self.expression, template))}]"
        if kind is dict:
            return f"{{{', '.join(f'{key!r}: {self.expression(item)}' for key, item in template.items())}}}"
        if kind is slice:
            return f"slice({', '.join(map(self.expression, (template.start, template.stop, template.step)))})"
        if kind in (int, bool, str, bytes, type(None)) or (kind is float and math.isfinite(template)):
            return repr(template)
        return "..." if template is Ellipsis else self.constant(template, "k")


def slots_in(template):
    """The numbers of the tensors in a template, in order."""
    kind = type(template)
    if kind is Slot:
        return [template.index]
    if kind is dict:
        template = tuple(template.values())
    elif kind not in (tuple, list):
        return []
    return [number for item in template for number in slots_in(item)]


def tensors_of(part):
    """The numbers of the tensors that a part works on."""
    if type(part) is Question:
        return []
    passed = slots_in((part.args, part.kwargs))
    return passed + [answer.index for answer, same in zip(part.answers, part.is_same) if same]


def tensors_made_by(part):
    if type(part) is Question:
        return []
    return [a.index for a, same in zip(part.answers, part.is_same) if type(a) is Slot and not same]


def reads_of(part):
    """The names of the reads that a part uses."""
    return sorted(part.reads if type(part) is Question else reads_in((part.args, part.kwargs)))


def tensors_measured(name, read_steps):
    """The numbers of the tensors whose sizes a read comes from."""
    if name not in read_steps:  # the value of a tensor
        return []
    step = read_steps[name]
    found = slots_in((step.args, step.kwargs))
    return found + [number for other in reads_of(step) for number in tensors_measured(other, read_steps)]


def find_uses(blocks, read_steps):
    for block in blocks:
        used = dict.fromkeys(number for part in block.parts for number in tensors_of(part))
        made = {number for part in block.parts for number in tensors_made_by(part)}
        block.used = [number for number in used if number not in made]
        block.made = sorted(made)
        for name in dict.fromkeys(name for part in block.parts for name in reads_of(part)):
            measured = tensors_measured(name, read_steps)
            if not used.keys() | made >= set(measured):
                block.sizes.append(name)
                block.measured += measured
            elif block.is_inline:
                block.measured += [number for number in measured if number not in made]


class StageFunction:
    """The source of a stage and the objects it names."""

    def __init__(self, source, constants):
        self.source = source
        self.constants = constants

    def made(self, name):
        """The function itself."""
        namespace = {"__name__": "stages", "PathLeft": PathLeft, "leaves": leaves, **self.constants}
        exec(compile(self.source, f"<{name}>", "exec"), namespace)
        return namespace["stage"]


class StagedSource:
    """All source of a call. `stage_of(function, tensors)` is asked for what runs a StageFunction on these tensors."""

    def __init__(self, lesson, inputs, results, tensors):
        """`inputs`: the numbers of the tensors that the call is given; `results`: of those it returns. `tensors`: those
        of the lesson, by number.
        """
        self.lesson = lesson
        self.tensors = tensors
        self.inputs = inputs
        self.results = results
        self.blocks = blocks_of(lesson)
        self.read_steps = {
            name: step for step in lesson.steps if type(step) is Step and step.is_read for name in step.reads
        }
        find_uses(self.blocks, self.read_steps)

    def stages(self):
        return [block for block in self.blocks if not block.is_inline]

    def stage_function(self, block, outputs):
        writer = Writer(self.read_steps, {number: f"x{i}" for i, number in enumerate(block.used)})
        writer.known_reads = {name: f"n{i}" for i, name in enumerate(block.sizes)}
        parameters = ", ".join([*writer.names.values(), *writer.known_reads.values()])
        for part in block.parts:
            writer.add(part)
        returned = ", ".join(writer.names[number] for number in outputs)
        lines = [f"def stage({parameters}):", *("    " + line for line in writer.lines), f"    return {returned}"]
        return StageFunction("\n".join(lines), writer.constants)

    def shared(self, block, outputs):
        """The numbers of tensors that a stage gets a copy of: they share memory with others that it gets, as the
        positions that nonzero gives do, and a program that relies on how memory is shared holds for one size. Nobody can
        tell, for nothing writes that memory, and nothing that the stage gives is in it.
        """
        given, seen, found = {self.storage(number) for number in outputs}, set(), []
        for number in block.used:
            tensor, storage = self.tensors[number], self.storage(number)
            if storage in seen and storage not in given and not tensor.is_inference() and tensor._version == 0:
                found.append(number)
            seen.add(storage)
        return found if len(found) <= MOST_COPIES else []

    def storage(self, number):
        return self.tensors[number].untyped_storage().data_ptr()

    def function(self, stage_of, copies):
        """The function of a list of tensors that runs it all. `copies`: whether stages may be given copies."""
        self.copies = copies
        last_use = {number: len(self.blocks) for number in self.results}
        for position, block in enumerate(self.blocks):
            for number in (*block.used, *block.measured):
                last_use[number] = max(last_use.get(number, 0), position)
        writer = Writer(self.read_steps, {number: f"a{i}" for i, number in enumerate(self.inputs)})
        writer.lines.append(f"({''.join(f'a{i}, ' for i in range(len(self.inputs)))}) = inputs")
        for position, block in enumerate(self.blocks):
            if block.is_inline:
                for part in block.parts:
                    writer.add(part)
            else:
                self.call_stage(writer, block, [n for n in block.made if last_use.get(n, -1) > position], stage_of)
            dead = [
                number for number in {*block.used, *block.measured, *block.made} if last_use.get(number, -1) <= position
            ]
            names = [writer.names[number] for number in dead if number in writer.names]
            if names := sorted(name for name in names if name.startswith("t")):
                writer.lines.append(f"del {', '.join(names)}")
        returned = ", ".join(writer.names[number] for number in self.results)
        lines = ["def stage(inputs):", *("    " + line for line in writer.lines), f"    return [{returned}]"]
        return StageFunction("\n".join(lines), writer.constants)

    def call_stage(self, writer, block, outputs, stage_of):
        stage = writer.constant(stage_of(self.stage_function(block, outputs), block.used), "g")
        shared = self.shared(block, outputs) if self.copies else []
        passed = [writer.names[number] + (".clone()" if number in shared else "") for number in block.used]
        passed += [writer.read(name) for name in block.sizes]
        call = f"{stage}({', '.join(passed)})"
        for number in outputs:
            writer.names[number] = writer.fresh("t")
        targets = ", ".join(writer.names[number] for number in outputs)
        writer.lines.append(f"{targets} = {call}" if targets else call)
