package guard

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"emurace/internal/crash"
	"emurace/internal/wall"
)

// marker is the environment variable that tells a process that it is an engine process,
// and whose. Set by somebody else it has no effect: the files would be missing.
const marker = "EMURACE_ENGINE"

// settle is at the end of a mark with Options.Settle.
const settle = "+settle"

// The descriptors that the supervisor hands on.
const (
	fdRecord = 3 + iota
	fdOrders
	fdReports
	fdCrash
)

// Engine is the side of the engine process. All methods do nothing on nil, which is for
// a program without a supervisor.
type Engine struct {
	orders  *os.File
	mu      sync.Mutex
	reports *os.File
	walled  bool
	settles bool
}

// Inherited is the engine process's side, nil in a process that is none. It takes over
// the files from the supervisor, and has deaths told to it.
func Inherited() (*Engine, error) {
	mark, ok := os.LookupEnv(marker)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(marker); err != nil {
		return nil, err
	}
	supervisor, settles := strings.CutSuffix(mark, settle)
	if supervisor != fmt.Sprint(os.Getppid()) {
		return nil, nil
	}
	for _, fd := range []int{fdOrders, fdReports, fdCrash} {
		var info unix.Stat_t
		if err := unix.Fstat(fd, &info); err != nil || info.Mode&unix.S_IFMT != unix.S_IFIFO {
			return nil, nil // a mark of somebody else's
		}
	}
	files := map[int]*os.File{}
	for fd, name := range map[int]string{fdRecord: "record", fdOrders: "orders", fdReports: "reports", fdCrash: "crash"} {
		unix.CloseOnExec(fd)
		files[fd] = os.NewFile(uintptr(fd), name)
	}
	// Without a record, a death is told with less.
	if record, err := crash.Attach(files[fdRecord]); err == nil {
		crash.Use(record)
	}
	if err := files[fdRecord].Close(); err != nil { // the memory stays
		return nil, err
	}
	if err := divert(files[fdCrash]); err != nil {
		return nil, err
	}
	// In lists of processes it is not to be called exe.
	name, err := unix.BytePtrFromString(baseName(os.Args[0]))
	if err == nil {
		_, _, _ = unix.Syscall(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0) // only looks
	}
	return &Engine{orders: files[fdOrders], reports: files[fdReports], settles: settles}, nil
}

// divert has the supervisor read what is written to descriptor 2 without asking, by Go's
// runtime and C libraries when they give up. os.Stderr is where it was.
func divert(to *os.File) error {
	fd, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil // it was closed: then it stays so
	}
	os.Stderr = os.NewFile(uintptr(fd), os.Stderr.Name())
	if err := unix.Dup3(int(to.Fd()), 2, 0); err != nil {
		return err
	}
	return to.Close()
}

func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// Settles tells whether the process is to show what there is, and not to search on.
func (e *Engine) Settles() bool { return e != nil && e.settles }

// Context ends when the supervisor orders it, or a signal asks for it. The supervisor
// passes on each signal once, also those that a terminal has sent to both.
func (e *Engine) Context(parent context.Context) context.Context {
	ctx, stop := context.WithCancel(parent)
	asked := make(chan os.Signal, 1)
	// Ctrl-C reaches both processes. Here it is only kept from ending this one.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGHUP)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		<-asked
		stop()
	}()
	go func() {
		b := make([]byte, 1)
		// The end of the file is the end of the supervisor, and soon of this process.
		if n, _ := e.orders.Read(b); n > 0 {
			stop()
		}
	}()
	return context.WithValue(ctx, key{}, e)
}

type key struct{}

// From is the engine process's side that belongs to a context, nil without a supervisor.
func From(ctx context.Context) *Engine {
	e, _ := ctx.Value(key{}).(*Engine)
	return e
}

func (e *Engine) report(k kind, content []byte) error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := writeReport(e.reports, k, content); err != nil {
		return fmt.Errorf("guard: report: %w", err)
	}
	return nil
}

// Raise puts the process behind walls; see [wall.Raise]. It does so once, and what is
// granted later has no effect. Errors are those of walls that could not be raised.
func (e *Engine) Raise(g wall.Grant) error {
	if e == nil || e.walled {
		return nil
	}
	e.walled = true
	// From here on the supervisor believes nothing that matters.
	if err := e.report(reportWalled, nil); err != nil {
		return err
	}
	_, err := wall.Raise(g)
	return err
}

// States names files for the states that Keep is going to be given, by number, or, with
// own, the files that this process writes its states to itself.
func (e *Engine) States(names []string, own bool) error {
	if e == nil {
		return nil
	}
	content, err := json.Marshal(states{names, own})
	if err != nil {
		return err
	}
	return e.report(reportStates, content)
}

// Keep gives a state to the supervisor, for the case that this process dies. The one
// before is forgotten.
func (e *Engine) Keep(number int, state []byte) error {
	return e.report(reportState, append(binary.LittleEndian.AppendUint32(nil, uint32(number)), state...))
}

// Note has the supervisor know a text when this process has ended; the last one counts.
// It may be 4096 bytes long.
func (e *Engine) Note(text string) error { return e.report(reportNote, []byte(text)) }

// Launch names a program for the supervisor to start at Start.
func (e *Engine) Launch(l Launch) error {
	if e == nil {
		return nil
	}
	content, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return e.report(reportLaunch, content)
}

// Start has the supervisor start the program of Launch. When that ends, the supervisor
// orders this process to end, and returns the program's exit code.
func (e *Engine) Start() error { return e.report(reportStart, nil) }
