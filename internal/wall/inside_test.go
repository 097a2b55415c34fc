package wall

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// orders makes what the program inside is to try its luck with.
func orders(t *testing.T) order {
	t.Helper()
	dir := t.TempDir()
	o := order{Secret: filepath.Join(dir, "secret"), Inside: filepath.Join(dir, "read"), Folder: filepath.Join(dir, "write"), Program: "/bin/true"}
	o.Grant = Grant{Read: []string{o.Inside}, Write: []string{o.Folder}}
	for _, d := range []string{o.Inside, o.Folder} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{o.Secret, filepath.Join(o.Inside, "file"), filepath.Join(o.Folder, "file")} {
		if err := os.WriteFile(f, []byte(filepath.Base(f)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(o.Secret, filepath.Join(o.Inside, "link")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	o.Port = l.Addr().String()
	return o
}

// inside is the program of the test's own.
func inside() {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		panic(err)
	}
	// A thread from before the walls is behind them too.
	ask, told := make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread()
		<-ask
		_, err := os.ReadFile(o.Secret)
		told <- err
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	standing, err := Raise(o.Grant)
	if err != nil {
		panic(err)
	}
	a := answer{Standing: standing, Tried: map[string]string{}}
	note := func(name string, err error) {
		a.Tried[name] = ""
		if err != nil {
			a.Tried[name] = err.Error()
		}
	}
	for name, err := range attempts(o) {
		note(name, err)
	}
	close(ask)
	note("landlock: read a file by a thread from before", <-told)
	note("seccomp: take a connection", take(l, client))
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		panic(err)
	}
}

// take takes the connection that waits, and hears something through it.
func take(l net.Listener, client net.Conn) error {
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	if _, err := client.Write([]byte("x")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

// attempts is what a program may try. The name begins with the wall that is to refuse it,
// or with granted.
func attempts(o order) map[string]error {
	tried := map[string]error{}
	files(o, tried)
	calls(o, tried)
	return tried
}

func files(o order, tried map[string]error) {
	read := func(name string) error { _, err := os.ReadFile(name); return err }
	tried["landlock: read a file"] = read(o.Secret)
	tried["landlock: read it through a link"] = read(filepath.Join(o.Inside, "link"))
	tried["landlock: read it through .."] = read(filepath.Join(o.Inside, "..", "secret"))
	tried["landlock: read a device"] = func() error { _, err := os.Open("/dev/zero"); return err }()
	tried["landlock: list a folder"] = func() error { _, err := os.ReadDir(filepath.Dir(o.Secret)); return err }()
	tried["landlock: read its own memory as a file"] = func() error { _, err := os.Open("/proc/self/mem"); return err }()
	open := func(name string, flags int) error {
		f, err := os.OpenFile(name, flags, 0o644)
		if err == nil {
			err = f.Close()
		}
		return err
	}
	tried["landlock: open a file for writing"] = open(o.Secret, os.O_WRONLY)
	tried["landlock: make a file"] = open(o.Secret+"-new", os.O_CREATE|os.O_WRONLY)
	tried["landlock: write a file that may be read"] = open(filepath.Join(o.Inside, "file"), os.O_WRONLY)
	tried["landlock: make a file where it may read"] = open(filepath.Join(o.Inside, "new"), os.O_CREATE|os.O_WRONLY)
	tried["landlock: make a folder"] = os.Mkdir(filepath.Join(o.Folder, "dir"), 0o755)
	tried["either: move a file out"] = func() error {
		from, to := filepath.Join(o.Folder, "file"), o.Secret+"-moved"
		err := os.Rename(from, to)
		if err == nil { // for what comes next
			return os.Rename(to, from)
		}
		return err
	}()
	tried["either: remove a file where it may read"] = func() error {
		name := filepath.Join(o.Inside, "file")
		err := os.Remove(name)
		if err == nil {
			return os.WriteFile(name, []byte("file"), 0o644)
		}
		return err
	}()

	tried["granted: read a file of the folder"] = read(filepath.Join(o.Inside, "file"))
	tried["granted: list the folder"] = func() error { _, err := os.ReadDir(o.Inside); return err }()
	tried["granted: read where it may write"] = read(filepath.Join(o.Folder, "file"))
	tried["granted: replace a file"] = func() error {
		f, err := os.CreateTemp(o.Folder, "new-*")
		if err != nil {
			return err
		}
		if _, err := f.WriteString("new"); err != nil {
			return err
		}
		if err := f.Chmod(0o600); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		return os.Rename(f.Name(), filepath.Join(o.Folder, "file"))
	}()
	tried["granted: write a file anew"] = os.WriteFile(filepath.Join(o.Folder, "again"), []byte("a"), 0o644)
	tried["granted: remove a file"] = os.Remove(filepath.Join(o.Folder, "again"))
}

func calls(o order, tried map[string]error) {
	call := func(name string, number uintptr, args ...uintptr) {
		args = append(args, 0, 0, 0, 0, 0, 0)
		r, _, errno := unix.Syscall6(number, args[0], args[1], args[2], args[3], args[4], args[5])
		if errno != 0 {
			tried[name] = errno
			return
		}
		tried[name] = nil
		if number == unix.SYS_SOCKET || number == unix.SYS_PIDFD_OPEN || number == unix.SYS_BPF {
			tried[name] = unix.Close(int(r))
		}
	}
	call("seccomp: make a socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM)
	call("seccomp: make a socket of UDP", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM)
	call("seccomp: make a socket of Unix", unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM)
	tried["either: connect"] = func() error {
		c, err := net.Dial("tcp", o.Port)
		if err == nil {
			err = c.Close()
		}
		return err
	}()
	tried["either: listen"] = func() error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			err = l.Close()
		}
		return err
	}()
	tried["either: run a program"] = func() error {
		p, err := os.StartProcess(o.Program, []string{o.Program}, &os.ProcAttr{})
		if err == nil {
			_, err = p.Wait()
		}
		return err
	}()
	var fds [2]int32
	call("seccomp: make a pair of sockets", unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, uintptr(unsafe.Pointer(&fds)))
	call("seccomp: look at another process", unix.SYS_PIDFD_OPEN, uintptr(unix.Getppid()), 0)
	call("seccomp: signal another process", unix.SYS_KILL, uintptr(unix.Getppid()), 0)
	call("seccomp: signal all processes (privileged)", unix.SYS_KILL, ^uintptr(0), 0)
	call("granted: signal itself", unix.SYS_KILL, uintptr(unix.Getpid()), 0)
	call("seccomp: change what another process may use", unix.SYS_PRLIMIT64, uintptr(unix.Getppid()), unix.RLIMIT_NOFILE)
	call("granted: ask what it may use", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE)
	name, err := unix.BytePtrFromString(o.Secret)
	if err != nil {
		panic(err)
	}
	at := ^uintptr(99) // AT_FDCWD
	call("seccomp: change a file's mode", unix.SYS_FCHMODAT, at, uintptr(unsafe.Pointer(name)), 0o644)
	call("seccomp: change a file's times", unix.SYS_UTIMENSAT, at, uintptr(unsafe.Pointer(name)))
	call("seccomp: cut a file", unix.SYS_TRUNCATE, uintptr(unsafe.Pointer(name)), uintptr(len("secret")))
	call("seccomp: leave a namespace", unix.SYS_UNSHARE, 0)
	call("seccomp: load a program into the kernel (privileged)", unix.SYS_BPF, 0)
	call("seccomp: mount (privileged)", unix.SYS_MOUNT)
	call("seccomp: trace (privileged)", unix.SYS_PTRACE, unix.PTRACE_DETACH) // of nobody
	call("seccomp: use a call that does not exist (privileged)", lastCall+1)
	if runtime.GOARCH == "amd64" {
		call("seccomp: use a call of x32 (privileged)", 0x40000000|unix.SYS_GETPID)
	}
	// A keystroke for whoever reads the terminal after this.
	call("seccomp: type into the terminal (privileged)", unix.SYS_IOCTL, 0, unix.TIOCSTI)
	call("granted: know itself", unix.SYS_GETPID)
	tried["granted: start threads"] = threads()
}

// threads makes more threads than there can have been.
func threads() error {
	const n = 40
	on, done := make(chan int), make(chan struct{})
	for range n {
		go func() {
			runtime.LockOSThread() // a thread of its own
			on <- unix.Gettid()
			<-done
		}()
	}
	seen := map[int]bool{}
	for range n {
		seen[<-on] = true
	}
	close(done)
	if len(seen) != n {
		return fmt.Errorf("%d threads", len(seen))
	}
	return nil
}
