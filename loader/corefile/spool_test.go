package corefile

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"emurace/internal/testseed"
)

// packers compress by libraries' writers.
var packers = map[string]func(io.Writer) (io.WriteCloser, error){
	"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
	"lz4":  func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil },
	"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
	"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
}

// pack compresses by a library's writer.
func pack(t testing.TB, kind string, r io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := packers[kind](&b)
	if err == nil {
		_, err = io.Copy(w, r)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed compresses with the program of the name, and with the library where there is none.
func packed(t testing.TB, kind string, b []byte, flags ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(kind)
	if err != nil {
		t.Logf("%v: the library writes it", err)
		return pack(t, kind, bytes.NewReader(b))
	}
	cmd := exec.Command(path, append(flags, "-c")...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return out
}

// mixed is a core of some MiB: pages of zeros, of text, and of what cannot be compressed.
func mixed(t testing.TB) (core, memory []byte) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 1), 0))
	memory = make([]byte, 1<<20)
	for at := 0; at < len(memory); at += pageSize {
		switch r.IntN(3) {
		case 1:
			copy(memory[at:], strings.Repeat("some text ", 400))
		case 2:
			for i := range pageSize {
				memory[at+i] = byte(r.Uint32())
			}
		}
	}
	m := small()
	m.loads = append(m.loads, loadOf{addr: 0x100000, data: memory})
	return m.bytes(), memory
}

// TestCompressed: what is compressed, by programs and by libraries, from a file and from a pipe, is the
// same core; cut anywhere it is a core that is cut short, and what there is of it is right.
func TestCompressed(t *testing.T) {
	core, memory := mixed(t)
	streams := map[string][]byte{"": core}
	for kind := range packers {
		streams[kind] = packed(t, kind, core)
		streams[kind+" library"] = pack(t, kind, bytes.NewReader(core))
	}
	streams["zstd long"] = packed(t, "zstd", core, "-12", "--long=25", "-q")
	streams["xz blocks"] = packed(t, "xz", core, "--block-size=300000", "-9")
	streams["lz4 blocks"] = packed(t, "lz4", core, "-B4", "-BD")
	for name, b := range streams {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && strings.Contains(name, " ") {
				t.Skip("the plain ones will do")
			}
			t.Setenv("TMPDIR", t.TempDir())
			kind, _, _ := strings.Cut(name, " ")
			file := filepath.Join(t.TempDir(), "core")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, from := range []string{file, "-"} {
				f, err := Open(from, bytes.NewReader(b))
				if err != nil {
					t.Fatal(from, err)
				}
				if f.Compressed != kind || f.Size != uint64(len(core)) || f.Missing != 0 || len(f.Problems) > 0 {
					t.Errorf("%s: %q of %d bytes, %d missing, %q", from, f.Compressed, f.Size, f.Missing, f.Problems)
				}
				if got, ok := f.Read(0x100000, uint64(len(memory))); !ok || !bytes.Equal(got, memory) {
					t.Errorf("%s: its memory is another", from)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
			cutShort(t, kind, b, memory)
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
				t.Errorf("temporary files are left: %v %v", left, err)
			}
		})
	}
}

// cutShort reads beginnings of a stream.
func cutShort(t *testing.T, kind string, b, memory []byte) {
	t.Helper()
	for _, n := range []int{0, 3, 20, len(b) / 10, len(b) / 2, len(b) - 3*pageSize, len(b) - 1} {
		f, err := Open("-", bytes.NewReader(b[:n]))
		if err != nil {
			if n > len(b)/2 && kind != "lz4" { // which has blocks of up to 4 MiB, whole or not at all
				t.Errorf("%d bytes of %d: %v", n, len(b), err)
			}
			continue
		}
		// What a checksum behind the last block is short of is no loss.
		if len(f.Problems) == 0 && f.Missing == 0 && n < len(b)-32 || kind != "" && len(f.Problems) == 0 {
			t.Errorf("%d bytes of %d: nothing is missing, problems %q", n, len(b), f.Problems)
		}
		if _, hi := f.At(0x100000); f.Missing > 0 {
			if s, _ := f.At(0x100000 + uint64(len(memory)) - 1); s != Lost && s != Stored {
				t.Errorf("%d bytes of %d: the last byte is %v", n, len(b), s)
			}
			if got, ok := f.Read(0x100000, hi-0x100000); ok && !bytes.Equal(got, memory[:len(got)]) {
				t.Errorf("%d bytes of %d: wrong memory", n, len(b))
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDamaged: a byte that is another is noticed, or changes nothing; it is no reason to panic.
func TestDamaged(t *testing.T) {
	core := small().bytes()
	r := rand.New(rand.NewPCG(testseed.Of(t, 2), 0))
	for kind := range packers {
		b := pack(t, kind, bytes.NewReader(core))
		for range 100 {
			c := bytes.Clone(b)
			c[r.IntN(len(c))] ^= byte(1 << r.IntN(8))
			if f, err := Open("-", bytes.NewReader(c)); err == nil {
				if len(f.Problems) == 0 && f.Compressed != "" && f.Missing == 0 && kind != "lz4" {
					if got, ok := f.Read(0x10000, 2*pageSize); !ok || !bytes.Equal(got, fill(2*pageSize, 1)) {
						t.Errorf("%s: damage is not noticed", kind)
					}
				}
				_ = f.Close() // it is only read
			}
		}
	}
}

// endless is a core without an end: headers, and then always the same.
func endless(kind string) io.Reader {
	return io.MultiReader(bytes.NewReader(made{notes: statusOf(1, 11, 0), loads: []loadOf{{addr: 0x10000, filesz: 1 << 50}}}.bytes()), repeated(kind))
}

type repeated string

func (r repeated) Read(b []byte) (int, error) {
	clear(b)
	if r != "" {
		copy(b, r)
	}
	return len(b), nil
}

// TestEndless: a stream without an end is given up at a limit, and with its context; one that is no core at
// once.
func TestEndless(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	file, err := os.CreateTemp(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // it is a scratch file
	if _, _, err := spool(t.Context(), file, endless(""), 64<<20); !errors.Is(err, ErrTooLong) {
		t.Errorf("at the limit: %v", err)
	}
	info, err := file.Stat()
	if err != nil || info.Size() > 64<<20+spooledAtOnce {
		t.Errorf("%v of %v", err, info)
	}
	if err := os.Remove(file.Name()); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{"zeros": repeated(""), "text": repeated("text")} {
		if _, err := Open("-", r); !errors.Is(err, ErrNotCore) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The context ends while it is read, and while nothing comes.
	silent, w := io.Pipe()
	defer func() { _ = w.Close() }() // it never fails
	for name, r := range map[string]io.Reader{"endless": endless("x"), "silent": silent} {
		ctx, cancel := context.WithCancel(t.Context())
		read := make(chan struct{})
		go func() {
			<-read
			cancel()
		}()
		_, err := OpenContext(ctx, "-", io.MultiReader(first(read), r))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// first is an empty reader that tells when it is read.
func first(read chan struct{}) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		close(read)
		return 0, io.EOF
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestLongWindow: what asks for more memory than is given to unpack it is refused, and what asks for as much as
// may be takes no more.
func TestLongWindow(t *testing.T) {
	core, _ := mixed(t)
	long := pack(t, "xz", bytes.NewReader(core))
	if !longDictionary(long, 0) {
		t.Fatal("there is no first block")
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		// RFC 8878, 3.1.1: a frame with a window descriptor, of 2^31 bytes, and a last block without bytes.
		"zstd":                {[]byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"), "exceed"},
		"zstd of one segment": {[]byte("\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00"), "exceed"},
		"xz":                  {long, "dictionary has 4095 MiB"},
	} {
		bounded(t, 24<<20, func() {
			if _, err := Open("-", bytes.NewReader(c.b)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip(err)
	}
	// The second block asks for 4 GiB less a byte, as its header says.
	b := packed(t, "xz", core, "-T1", "--block-size=500000")
	if !longDictionary(b, 1) {
		t.Fatal("there is no second block")
	}
	bounded(t, 64<<20, func() {
		f, err := Open("-", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if f.Size < 400_000 || f.Missing == 0 || len(f.Problems) != 1 || !strings.Contains(f.Problems[0], "dictionary has 4095 MiB") {
			t.Errorf("%d bytes, problems %q", f.Size, f.Problems)
		}
		_ = f.Close() // it is only read
	})
}

// longDictionary has a block of an .xz stream, by its number, say that its dictionary is as long as there can be.
func longDictionary(b []byte, number int) bool {
	for {
		i := bytes.Index(b, []byte{2, 0, 0x21, 1}) // a header of 12 bytes, no sizes, LZMA2 with one byte of properties
		if i < 0 {
			return false
		}
		if b = b[i:]; number == 0 {
			b[4] = 40
			le.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
			return true
		}
		b, number = b[4:], number-1
	}
}
