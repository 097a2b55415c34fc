package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"emurace/heap"
	"emurace/internal/guard"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/step"
	"emurace/scenario"
)

func stepCommand() *cli.Command {
	return &cli.Command{
		Name:      "step",
		Usage:     "go through a trace in the terminal, forwards and backwards",
		ArgsUsage: "[TRACE]",
		Description: `Shows the threads side by side, registers, memory and the schedule at any
moment of the run; keys go through it as gdb's commands do, their capitals
backwards. The key ? lists them all. With --lesson the run is told card by card, in
the order in which it ran, and with --backwards from the crash back to its cause, as
somebody finds it out who has a core file; without a terminal that is printed as text.

Without a name the trace that was written last is used.

Examples:
  emurace step
  emurace step --lesson
  emurace step --lesson crash.trace | less
  emurace step --lesson --backwards`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "lesson", Usage: "tell why the run fails, card by card"},
			&cli.BoolFlag{Name: "backwards", Usage: "tell --lesson from the crash back to its cause"},
			traceSysrootFlag(), memoryFlag("the trace's, at most " + usualMemory), cacheFlag(), colorFlag(), logFlag(),
		},
		Action: stepAction,
	}
}

func stepAction(c *cli.Context) error {
	if _, err := printer(c); err != nil {
		return err
	}
	if c.Bool("backwards") && !c.Bool("lesson") {
		return usage(errors.New("step: --backwards is of the lesson, which is not asked for"), "add --lesson; without it, the debugger goes backwards with S, N and C")
	}
	// Whether there is a trace is looked at before the terminal, so that what is
	// missing most is said first.
	if _, err := openTrace(c); err != nil {
		return err
	}
	onTerminal := term.IsTerminal(int(os.Stdin.Fd())) && isTerminal(c.App.Writer) && os.Getenv("TERM") != "dumb"
	if !onTerminal && !c.Bool("lesson") {
		return usage(errors.New("step: it needs a terminal for its input and output"),
			"emurace replay shows the run as text, and emurace step --lesson tells it")
	}
	var g grants
	g.file("") // for traces of the user's own
	g.terminal()
	r, err := openRun(c, g)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.mustMatch(); err != nil {
		return err
	}
	b := &bench{run: r, engine: guard.From(c.Context)}
	defer b.close()
	o, err := b.options(c.Bool("lesson"), c.Bool("backwards"))
	if err != nil {
		return err
	}
	defer o.Line.Close()
	if c.Bool("lesson") && o.Story.Lesson == nil {
		return environmentError(fmt.Errorf("step: %w", lesson.ErrNothing), "emurace step without --lesson goes through it")
	}
	if !onTerminal {
		return step.WriteLesson(c.App.Writer, o.Story.Lesson, r.session.Names(), c.String("color") == "always")
	}
	color := map[string]step.Color{"always": step.ColorAlways, "never": step.ColorNever}[c.String("color")]
	if color == step.ColorAuto && os.Getenv("NO_COLOR") != "" {
		color = step.ColorNever
	}
	r.sys.Interrupt(nil) // it looks at the context itself
	// Stopped from outside, the terminal is put in order like after q.
	if err := step.Run(c.Context, os.Stdin, c.App.Writer, color, o); !errors.Is(err, context.Canceled) {
		return err
	}
	return context.Canceled
}

// bench runs what the user tries out on machines of its own.
type bench struct {
	run    *run
	spare  *scenario.Session
	engine *guard.Engine
	source *sourceLines // of glibc, nil where it was not pulled
}

func (b *bench) close() {
	if b.spare != nil {
		b.spare.Close()
	}
	b.source.close()
}

// options finds out what there is to know of the run and makes the timeline.
func (b *bench) options(showLesson, backwards bool) (step.Options, error) {
	r := b.run
	x, _, err := r.explain()
	if err != nil {
		return step.Options{}, err
	}
	line, err := r.timeline()
	if err != nil {
		return step.Options{}, err
	}
	b.source = openSource(r.sys)
	o := step.Options{
		Source: b.source.line,
		Line:   line, Bench: b, Notes: r.recipe.Scenario.Notes, Lesson: showLesson,
		Title:  fmt.Sprintf("%s  %s  %s", r.recipe.Scenario.Name, r.recipe.Arch, r.session.Libc()),
		Story:  step.Story{Explanation: x},
		SaveAs: ownName(r.recipe),
	}
	o.Story.Heap, err = b.Heap(r.verification.Schedule)
	if err == nil {
		tell := lesson.New
		if backwards {
			tell = lesson.Backwards
		}
		o.Story.Lesson, err = tell(line, x, o.Notes)
		o.Story.Lesson.AddCode(r.trace.Script)
	}
	if err != nil && !errors.Is(err, lesson.ErrNothing) {
		line.Close()
		return step.Options{}, err
	}
	return o, nil
}

// ownName is a name for the trace of a run of one's own that is not taken yet.
func ownName(r replay.Recipe) string {
	for i := 1; ; i++ {
		name := fmt.Sprintf("%s-%s-own.trace", fileName(r.Scenario.Name), r.Arch)
		if i > 1 {
			name = strings.Replace(name, "-own", fmt.Sprintf("-own-%d", i), 1)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) || i == 1000 {
			return name
		}
	}
}

// session is the machine for runs of the user's own.
func (b *bench) session() (*scenario.Session, error) {
	if b.spare == nil {
		var err error
		if b.spare, err = b.run.again(); err != nil {
			return nil, err
		}
	}
	return b.spare, nil
}

// Heap traces the calls of malloc in a run.
func (b *bench) Heap(schedule scenario.Schedule) (*heap.History, error) {
	return b.run.heaps.run(b.run.session.Made(), schedule)
}

// Explain finds out why a run ended as it did.
func (b *bench) Explain(schedule scenario.Schedule) (*replay.Explanation, error) {
	s, err := b.session()
	if err != nil {
		return nil, err
	}
	h, err := replay.NewHistory(s, schedule)
	if err != nil {
		return nil, err
	}
	return b.run.heaps.explain(h, schedule)
}

// Save writes a trace of a run. It becomes the one that was written last.
func (b *bench) Save(schedule scenario.Schedule, name string) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s: there is a file of this name already", name)
	}
	s, err := b.session()
	if err != nil {
		return err
	}
	t, err := replay.Record(s, b.run.recipe, schedule)
	if err != nil {
		return err
	}
	if err := t.Write(name); err != nil {
		return err
	}
	return rememberTrace(b.engine, name)
}
