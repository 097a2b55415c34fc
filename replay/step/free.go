package step

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"emurace/internal/words"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// explore begins free stepping at the present moment, or goes on with it. Nothing
// of the record is lost until another thread runs than the one that did.
func (m *Model) explore() {
	if m.now.over {
		m.fail("explore", "the run is over here; go back first, with S or m")
		return
	}
	if !m.free {
		m.free, m.fork = true, m.now.at
	}
	m.said = status{command: "explore", result: m.choices()}
}

// choices says which key runs which thread.
func (m *Model) choices() string {
	text := ""
	for i, t := range m.now.threads {
		if i == 9 {
			break
		}
		state := t.status
		if t.runnable {
			state = "can run"
		}
		text += fmt.Sprintf("%d %s (%s), ", i+1, t.name, state)
	}
	return text + "o runs out, r returns, W saves"
}

// run lets a thread run from the present moment.
func (m *Model) run(thread int, times uint64) {
	if thread >= len(m.now.threads) {
		m.fail("run", fmt.Sprintf("there is no thread %d: %s", thread+1, m.choices()))
		return
	}
	t := m.now.threads[thread]
	n := m.per * times
	command := fmt.Sprintf("run %s %d", t.name, n)
	switch {
	case m.now.over:
		m.fail(command, "the run is over; S goes back, r returns to the recorded run")
		return
	case !t.runnable:
		m.fail(command, fmt.Sprintf("%s cannot run: it %s", t.name, map[bool]string{true: "waits in the kernel", false: "has made all its calls"}[t.status == "waits"]))
		return
	}
	ran, err := m.o.Line.StepThread(thread, n)
	m.noteLeft()
	m.look()
	if err != nil {
		m.fail(command, freeError(err))
		return
	}
	result := m.here()
	if ran != n {
		result = fmt.Sprintf("%s ran; %s", words.Count(ran, "instruction"), result)
	}
	m.said = status{command: command, result: result}
}

// freeError is what is said of a run that cannot go on.
func freeError(err error) string {
	if errors.Is(err, timeline.ErrTooLong) {
		return fmt.Sprintf("a run of more than %d instructions is not kept; r returns to the recorded one", timeline.MaxLen)
	}
	return clean(err.Error())
}

// noteLeft finds out whether the timeline still has the recorded run.
func (m *Model) noteLeft() { m.left = !slices.Equal(m.o.Line.Schedule(), m.recorded) }

// burst bounds how long o runs before the screen answers again, in instructions.
const burst = 1 << 20

// runOut lets the threads run to the end, the one that runs next first.
func (m *Model) runOut() {
	const command = "run out"
	if !m.free {
		m.fail(command, "x begins free stepping; c goes to the end of the record")
		return
	}
	if m.now.over {
		m.fail(command, "the run is over; S goes back, r returns to the recorded run")
		return
	}
	total := uint64(0)
	err := error(nil)
	first := max(m.lastRan(), 0)
	for i := 0; i < len(m.now.threads) && total < burst && err == nil; i++ {
		thread := (first + i) % len(m.now.threads)
		var ran uint64
		ran, err = m.o.Line.StepThread(thread, burst-total)
		if total += ran; ran > 0 {
			i = -1 // it may have woken one that was asked before
			first = (thread + 1) % len(m.now.threads)
		}
	}
	m.noteLeft()
	m.look()
	switch {
	case err != nil:
		m.fail(command, freeError(err))
	case !m.now.over:
		m.said = status{command: command, result: words.Count(total, "instruction") + ", and no end yet; o runs on"}
	default:
		m.said = status{command: command, result: fmt.Sprintf("%s; %s", words.Count(total, "instruction"), m.here())}
	}
}

// lastRan is the thread that ran last, or that runs next in the record.
func (m *Model) lastRan() int {
	if m.now.at < m.now.len {
		return m.now.thread
	}
	if m.now.just != nil {
		return m.now.just.thread
	}
	return m.now.thread
}

// explainOwn finds out why a run of one's own ended as it did, and tells it.
func (m *Model) explainOwn(schedule scenario.Schedule) {
	x, err := m.o.Bench.Explain(schedule)
	if err != nil {
		return // the outcome is shown all the same
	}
	m.story.Explanation = x
	at := m.o.Line.At()
	// A run that passed has no lesson.
	if l, err := lesson.New(m.o.Line, x, m.o.Notes); err == nil {
		m.story.Lesson = l
	}
	if m.o.Line.At() != at {
		// The machine is where it can be looked at only when this succeeds; an
		// error shows at the next key, which seeks again.
		_ = m.o.Line.Seek(at)
	}
}

// returnToRecord takes back all free stepping.
func (m *Model) returnToRecord() {
	const command = "return"
	if !m.free && !m.left {
		m.fail(command, "this is the recorded run; x leaves it")
		return
	}
	err := error(nil)
	if m.left {
		err = m.o.Line.Reset()
	}
	m.free, m.left, m.per = false, false, 1
	m.story, m.storyOf = m.o.Story, nil
	if err != nil {
		m.look()
		m.fail(command, clean(err.Error()))
		return
	}
	m.at(m.fork, command, "the recorded run, "+momentText(m.fork), "")
}

func momentText(n timeline.Moment) string { return "moment " + words.Grouped(n) }

// more and fewer change how many instructions a thread's key runs.
func (m *Model) more()  { m.setPer(min(m.per*10, 1000)) }
func (m *Model) fewer() { m.setPer(max(m.per/10, 1)) }

func (m *Model) setPer(n uint64) {
	if !m.free {
		m.fail("instructions for each key", "x begins free stepping")
		return
	}
	m.per = n
	m.said = status{command: "instructions for each key", result: strconv.FormatUint(n, 10)}
}

// save writes the present schedule as a trace.
func (m *Model) save(file string) {
	const command = "save"
	switch {
	case file == "":
		m.fail(command, "a trace needs a name")
	case !m.runIsOver():
		m.fail(command, "the run is not over, so it is no trace yet; o runs it to its end")
	default:
		if err := m.o.Bench.Save(m.o.Line.Schedule(), file); err != nil {
			m.fail(command, clean(err.Error()))
			return
		}
		m.said = status{command: command, result: fmt.Sprintf("%s; emurace replay runs it again", clean(file))}
	}
}

// runIsOver tells whether the run that the timeline has comes to an end.
func (m *Model) runIsOver() bool {
	_, over := m.o.Line.Outcome()
	return over
}
