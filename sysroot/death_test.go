package sysroot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childVar holds the task of a test program that was started to pull in a
// process of its own.
const childVar = "EMURACE_TEST_PULL"

// childTask is a pull to do in another process, and how to die of it.
type childTask struct {
	Cache    string
	Packages []string
	Mirror   string
	Keyring  string
	KillAt   int    // kill -9 oneself at the step of this number, from 1
	FileSize uint64 // the largest file that may be written, in bytes, or 0
	Hold     bool   // instead: hold the sysroot, write its folder as a line, and wait for the end of the input
}

func TestMain(m *testing.M) {
	if task := os.Getenv(childVar); task != "" {
		if err := pullAsChild(task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func pullAsChild(text string) error {
	var task childTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	c, err := Open(task.Cache)
	if err != nil {
		return err
	}
	if task.Hold {
		dir, err := c.Dir(Spec{Kind: Debian, Suite: "bookworm"}, runtime.GOARCH)
		if err == nil {
			_, err = fmt.Println(dir)
		}
		_, _ = io.Copy(io.Discard, os.Stdin) // until the other end is closed
		return err
	}
	if task.FileSize > 0 {
		limit := unix.Rlimit{Cur: task.FileSize, Max: task.FileSize}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
	}
	step := 0
	_, err = c.Pull(context.Background(), PullRequest{
		Suite: "bookworm", Arch: runtime.GOARCH, Packages: task.Packages, Mirror: task.Mirror, Keyring: task.Keyring,
		Progress: func(string) {
			if step++; step == task.KillAt {
				if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
					panic(err)
				}
				select {} // until the signal arrives
			}
		},
	})
	return err
}

// child prepares a process that pulls from the mirror into the cache.
func (m *mirror) child(t *testing.T, c *Cache, task childTask) *exec.Cmd {
	t.Helper()
	task.Cache, task.Keyring = c.Path(), m.keyring
	if task.Mirror == "" {
		task.Mirror = "file:" + m.dir
	}
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVar+"="+string(text))
	return cmd
}

// killed tells whether a command ended by SIGKILL.
func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// TestPullKilledAtEachStep kills a pull at each of its steps, of a new entry and
// of one that is there already, and looks that nothing of it is to be seen.
func TestPullKilledAtEachStep(t *testing.T) {
	m := newMirror(t, "bookworm")
	pulled := openTemp(t)
	if _, err := pulled.Pull(t.Context(), m.request()); err != nil {
		t.Fatal(err)
	}
	stride := 1
	if testing.Short() {
		stride = 4
	}
	for _, extend := range []bool{false, true} {
		if testing.Short() && !extend {
			continue
		}
		deaths := 0
		for step := 1; ; step += stride {
			c := openTemp(t)
			var before Entry
			if extend {
				if err := os.CopyFS(c.Path(), os.DirFS(pulled.Path())); err != nil {
					t.Fatal(err)
				}
				var err error
				if before, err = c.entry("bookworm", runtime.GOARCH); err != nil || !before.Pulled {
					t.Fatalf("%+v, %v", before, err)
				}
			}
			err := m.child(t, c, childTask{Packages: []string{"tiny-a", "tiny-b"}, KillAt: step}).Run()
			if err == nil {
				break // It has fewer steps.
			}
			if !killed(err) {
				t.Fatal(err)
			}
			deaths++
			after, err := c.entry("bookworm", runtime.GOARCH)
			if err != nil || fmt.Sprint(after) != fmt.Sprint(before) && (extend || after.Pulled) {
				t.Errorf("extend %t, step %d: %+v, %v; before %+v", extend, step, after, err, before)
			}
			if got := names(t, c); !strings.Contains(strings.Join(got, " "), tmpPrefix) {
				t.Errorf("extend %t, step %d: it left nothing to remove: %q", extend, step, got)
			}
			if _, err := c.Pull(t.Context(), m.request("tiny-a", "tiny-b")); err != nil {
				t.Error(err)
			}
			if got := names(t, c); len(got) != 1 {
				t.Errorf("extend %t, step %d: after the next pull the store holds %q", extend, step, got)
			}
		}
		if deaths*stride < 3 {
			t.Errorf("extend %t: it was killed at %d steps only", extend, deaths)
		}
	}
}

// stall serves the mirror over HTTP, and stops in the middle of libc6's package.
// started is closed when it does, and stopped when the client has gone.
func (m *mirror) stall(t *testing.T) (url string, started, stopped chan struct{}) {
	t.Helper()
	// This machine's apt may be set up to go through a proxy.
	direct := filepath.Join(publicDir(t), "direct.conf")
	write(t, direct, []byte("Acquire::http::Proxy::127.0.0.1 \"DIRECT\";\n"))
	t.Setenv("APT_CONFIG", direct)
	t.Setenv("no_proxy", "127.0.0.1")

	started, stopped = make(chan struct{}), make(chan struct{})
	files := http.FileServer(http.Dir(m.dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/libc6.deb") {
			files.ServeHTTP(w, r)
			return
		}
		data, err := os.ReadFile(m.deb("libc6"))
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		if _, err := w.Write(data[:len(data)/2]); err != nil {
			t.Error(err)
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
			return
		}
		close(started)
		<-r.Context().Done()
		close(stopped)
	}))
	t.Cleanup(server.Close)
	return server.URL, started, stopped
}

func wait(t *testing.T, c chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
}

func TestPullCancelledInADownload(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	url, started, stopped := m.stall(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error)
	go func() {
		req := m.request()
		req.Mirror = url
		_, err := c.Pull(ctx, req)
		result <- err
	}()
	wait(t, started, "the download")
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	wait(t, stopped, "apt to end")
	if got := names(t, c); len(got) != 0 {
		t.Errorf("the store holds %q", got)
	}
}

func TestPullKilledInADownload(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	url, started, stopped := m.stall(t)
	cmd := m.child(t, c, childTask{Mirror: url})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait(t, started, "the download")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); !killed(err) {
		t.Errorf("%v", err)
	}
	wait(t, stopped, "apt to end") // It goes with the process that started it.
	entries, err := c.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Pulled {
			t.Errorf("listed: %+v", e)
		}
	}
	if _, err := c.Pull(t.Context(), m.request()); err != nil {
		t.Error(err)
	}
	if got := names(t, c); len(got) != 1 {
		t.Errorf("the store holds %q", got)
	}
}

// TestPullWithoutRoom lets no file grow beyond some sizes, as a full disk does.
func TestPullWithoutRoom(t *testing.T) {
	m := newMirror(t, "bookworm")
	for i, size := range []uint64{1, 300, 10_000, 1_000_000} {
		if testing.Short() && i%3 != 0 {
			continue
		}
		c := openTemp(t)
		out, err := m.child(t, c, childTask{FileSize: size}).CombinedOutput()
		if err == nil || killed(err) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if text := strings.TrimSpace(string(out)); text == "" || strings.Contains(text, "\n") {
			t.Errorf("%d bytes: the error is %q", size, text)
		}
		if got := names(t, c); len(got) != 0 {
			t.Errorf("%d bytes: the store holds %q", size, got)
		}
	}
}

// TestPullAsOrdinaryUser needs no privilege: where the tests run as root, it
// pulls as nobody.
func TestPullAsOrdinaryUser(t *testing.T) {
	m := newMirror(t, "bookworm")
	dir := publicDir(t)
	c, err := Open(filepath.Join(dir, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := m.child(t, c, childTask{Packages: []string{"tiny-a"}})
	if os.Geteuid() == 0 {
		const nobody = 65534
		// The test program lies in a folder of root's own.
		program, err := os.ReadFile(cmd.Path)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path = filepath.Join(dir, "child")
		if err := os.WriteFile(cmd.Path, program, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(c.Path(), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(c.Path(), nobody, nobody); err != nil {
			t.Fatal(err)
		}
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	e, err := c.entry("bookworm", runtime.GOARCH)
	if err != nil || packageNames(e) != "libc6 libc6-dbg tiny-a" {
		t.Errorf("%+v, %v", e, err)
	}
}
