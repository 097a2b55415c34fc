package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"emurace/internal/crash"
)

// End is how the engine process ended.
type End struct {
	Code   int         // its exit code, unless Signal is set
	Signal unix.Signal // that ended it; 0 for none
	// Death is where it was, when it died: by a fatal signal, by one that nobody can
	// handle, or because Go's runtime has given up. It is nil when it ended in order.
	Death *crash.Death
	// Crash is what Go's runtime has said first when it gave up.
	Crash string
	// Said is all that Go's runtime and C libraries have said, cut at 64 KiB.
	Said string
	// Memory tells that, meanwhile, the kernel has killed a process for want of memory.
	Memory bool
	// States are the states that were kept last, by the names that were given for them.
	States map[string][]byte
	// Own are the files of states that the engine process has written itself.
	Own []string
	// Note is the last text of Engine.Note. It may come from a guest.
	Note string
	// Launched is the error of the program that was started, such as its exit code.
	Launched error
}

// supervisor is one that is at work.
type supervisor struct {
	cmd     *exec.Cmd
	orders  *os.File
	mu      sync.Mutex
	reports reports
	said    string
	launch  chan *Launch
}

// Options say how to start an engine process.
type Options struct {
	Args []string // all of them; nil for the program's own
	// Settle has the engine process show what a state holds, instead of searching on; see
	// Engine.Settles.
	Settle bool
}

// Supervise starts the engine process and waits for its end. Signals that end a program are passed on as an order to end; a second one ends
// both at once, and Supervise does not return. The error is that the process could not be
// started.
func Supervise(o Options) (End, error) {
	// The engine process dies with the thread that has started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := &supervisor{launch: make(chan *Launch, 1)}
	record, file, err := crash.New()
	if err != nil {
		// As with a limit on the size of files. A death is told with less then.
		if file, err = os.Open(os.DevNull); err != nil {
			return End{}, err
		}
	}
	killed := oomKills()
	signals := make(chan os.Signal, 4)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		ends = append(ends, syscall.SIGHUP)
	}
	signal.Notify(signals, ends...)
	read, err := s.start(file, o)
	if err != nil {
		return End{}, errors.Join(err, file.Close())
	}
	var pipes sync.WaitGroup
	pipes.Go(func() { s.hear(read.reports) })
	pipes.Go(func() { s.said = listen(read.crash) })
	gone := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go s.passOn(signals, gone, stop)
	launched := make(chan error, 1)
	go func() { launched <- s.runLaunched(ctx) }()

	err = s.cmd.Wait()
	close(gone)
	pipes.Wait()
	close(s.launch)
	end := s.end(record, killed)
	end.Launched = <-launched
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		return end, fmt.Errorf("engine process: %w", err)
	}
	return end, errors.Join(file.Close(), read.reports.Close(), read.crash.Close(), s.orders.Close())
}

// readers are the supervisor's ends of the pipes.
type readers struct{ reports, crash *os.File }

func (s *supervisor) start(record *os.File, o Options) (readers, error) {
	fail := func(err error) (readers, error) { return readers{}, fmt.Errorf("start the engine process: %w", err) }
	var ends [3][2]*os.File
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		ends[i] = [2]*os.File{r, w}
	}
	orders, reports, died := ends[0], ends[1], ends[2]
	// The file that runs, also when another one has taken its name since.
	s.cmd = exec.Command("/proc/self/exe")
	s.cmd.Args = os.Args
	if o.Args != nil {
		s.cmd.Args = o.Args
	}
	mark := fmt.Sprintf("%s=%d", marker, os.Getpid())
	if o.Settle {
		mark += settle
	}
	s.cmd.Env = append(os.Environ(), mark)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	s.cmd.ExtraFiles = []*os.File{record, orders[0], reports[1], died[1]}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.orders = orders[1]
	if err := s.cmd.Start(); err != nil {
		return fail(err)
	}
	return readers{reports[0], died[0]}, errors.Join(orders[0].Close(), reports[1].Close(), died[1].Close())
}

// sameSignal is how soon a second signal is the first one again: timeout(1), for one, sends
// its signal to the process and to its group.
const sameSignal = 100 * time.Millisecond

// passOn makes an order of the first signal, and ends the program that was started. With
// the second one patience is at an end.
func (s *supervisor) passOn(signals <-chan os.Signal, gone <-chan struct{}, stop func()) {
	var first time.Time
	for n := 0; ; n++ {
		select {
		case <-gone:
			return
		case sig := <-signals:
			if s.launching() && sig == os.Interrupt {
				n--
				continue // it is for the program that was started
			}
			if n == 0 {
				first = time.Now()
				s.order()
				stop()
				continue
			}
			if time.Since(first) < sameSignal {
				continue
			}
			signal.Reset(sig)
			_ = s.cmd.Process.Kill() // it dies with this process at the latest
			_ = unix.Kill(unix.Getpid(), sig.(syscall.Signal))
		}
	}
}

// order asks the engine process for an orderly end. One that is gone needs none.
func (s *supervisor) order() { _, _ = s.orders.Write([]byte{1}) }

func (s *supervisor) launching() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reports.launch != nil
}

// hear takes reports until the engine process ends, or says what makes no sense.
func (s *supervisor) hear(pipe io.Reader) {
	for {
		k, content, err := readReport(pipe)
		if err == nil {
			s.mu.Lock()
			err = s.reports.take(k, content)
			if err == nil && k == reportStart {
				s.launch <- s.reports.launch
			}
			s.mu.Unlock()
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			// It is not what was started any more, or a fault; in both cases there is
			// nothing more to learn.
			_ = s.cmd.Process.Kill()
			return
		}
	}
}

// runLaunched runs the program of a Launch when it is time, to its end, and then ends the
// engine process.
func (s *supervisor) runLaunched(ctx context.Context) error {
	l := <-s.launch
	if l == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, l.Program, l.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	s.order()
	if err != nil {
		return fmt.Errorf("%s: %w", l.Program, err)
	}
	return nil
}

// end sums up.
func (s *supervisor) end(record *crash.Record, killed uint64) End {
	var end End
	status, _ := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	death := record.Death()
	switch {
	case death.Signal != 0:
		end.Signal, end.Death = death.Signal, &death
	case status.ExitStatus() == 2 && lastWords.MatchString(s.said):
		end.Crash, end.Death = lastWords.FindString(s.said), &death
	case status.Signaled():
		end.Signal = status.Signal()
		if end.Signal != unix.SIGPIPE { // which is how a program learns that nobody reads
			end.Death = &death
		}
	default:
		end.Code = status.ExitStatus()
	}
	end.Memory = end.Signal == unix.SIGKILL && oomKills() > killed
	end.Said = s.said
	end.Note = s.reports.note
	end.States = map[string][]byte{}
	for i, state := range s.reports.states {
		end.States[s.reports.files.Names[i]] = state
	}
	if s.reports.files.Own {
		end.Own = s.reports.files.Names
	}
	return end
}

// lastWords is how Go's runtime begins when it gives up; see its panic.go and
// signal_unix.go. The exit code is 2 then.
var lastWords = regexp.MustCompile(`(?m)^(panic: |fatal error: |SIG[A-Z0-9]+: ).*$`)

// listen reads all of a pipe, and returns the beginning.
func listen(pipe io.Reader) string {
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(pipe, most))
	_, more := io.Copy(io.Discard, pipe) // so that nobody waits
	if err != nil || more != nil {
		return "" // a pipe of our own cannot fail
	}
	return string(text)
}

// oomKills counts the processes that the kernel has killed for want of memory, as
// /proc/vmstat has it; 0 where it does not say.
func oomKills() uint64 {
	data, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		var n uint64
		if _, err := fmt.Sscanf(line, "oom_kill %d", &n); err == nil {
			return n
		}
	}
	return 0
}
