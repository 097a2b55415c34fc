package gdb

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emurace/internal/testsystem"
	"emurace/loader"
)

// TestAnswers: what each packet is answered with, at the end of the crash.
func TestAnswers(t *testing.T) {
	s := article(t, loader.ARM64)
	r := connect(t, s.listen(t))
	for _, c := range [][2]string{
		{"?", "T0bthread:1;"},
		{"qC", "QC1"},
		{"qAttached", "1"},
		{"qAttached:1", "1"},
		{"qSymbol::", "OK"},
		{"qOffsets", ""},
		{"vMustReplyEmpty", ""},
		{"vCont?", "vCont;c;C;s;S"},
		{"qfThreadInfo", "m1,2"},
		{"qsThreadInfo", "l"},
		{"T1", "OK"}, {"T2", "OK"}, {"T3", errNoThread}, {"T", errNoThread}, {"Tx", errNoThread}, {"T0", errNoThread}, {"T-1", errNoThread},
		{"Hg2", "OK"}, {"Hg0", "OK"}, {"Hg-1", "OK"}, {"Hc-1", "OK"}, {"Hc1", "OK"}, {"Hg3", errNoThread}, {"H", errInvalid}, {"Hx1", errInvalid},
		{"Hg", errInvalid}, {"Hg-2", errInvalid}, {"Hgffffffffffffffff", errInvalid}, {"Hc0", "OK"},
		{"qThreadExtraInfo,1", fmt.Sprintf("%x", `failed in getenv("LANGUAGE")`)},
		{"qThreadExtraInfo,9", errNoThread},
		// Nothing is written.
		{"G00", readOnlyText}, {"P1=00", readOnlyText}, {"M0,1:00", readOnlyText}, {"X0,1:a", readOnlyText}, {"X0,0:", readOnlyText},
		// Memory: what is there, up to its end, and at most a packet of it.
		{"m0,8", errFault}, {"m10", errInvalid}, {"m,", errInvalid}, {"mx,y", errInvalid}, {"m555555554000,4", "7f454c46"}, {"m555555554000,0", ""},
		{"mffffffffffffffff,ffffffffffffffff", errFault}, {"m-1,4", errInvalid},
		// Breakpoints.
		{"Z0,1000,4", "OK"}, {"Z0,1000,4", "OK"}, {"z0,1000,4", "OK"}, {"z0,1000,4", "OK"}, {"Z1,1000,4;X1,0", "OK"}, {"z1,1000,4", "OK"},
		{"Z2,1000,8", "OK"}, {"z2,1000,8", "OK"}, {"Z5,1000,4", ""}, {"Z", errInvalid}, {"Z0", errInvalid}, {"Z0,", errInvalid}, {"Z0,1", errInvalid},
		{"Z2,1000,0", errInvalid}, {"Z2,ffffffffffffffff,8", errInvalid}, {"Zx,1,1", ""}, {"Z00,1,1", errInvalid},
		// Objects.
		{"qXfer:exec-file:read::0,1000", "l/emurace-program"},
		{"qXfer:exec-file:read:1:1,4", "memur"},
		{"qXfer:exec-file:read::10,4", "l"},
		{"qXfer:exec-file:read::11,4", errInvalid},
		{"qXfer:exec-file:write::0:", ""},
		{"qXfer:exec-file:read::0", errInvalid},
		{"qXfer:features:read:other.xml:0,10", errAnnex},
		{"qXfer:nothing:read::0,10", ""},
		{"qXfer", ""}, {"qXfer:", ""}, {"qXfer:auxv", ""},
		// What moves does so by its own rules only.
		{"vCont;", errInvalid}, {"vCont;x", errInvalid}, {"vCont;s:9", errNoThread}, {"vCont;s:", errInvalid}, {"vCont;t", errInvalid}, {"vCont", ""},
		{"bx", ""}, {"b", ""}, {"vRun;a", ""}, {"R00", ""}, {"!", ""}, {"", ""}, {"QNonStop:1", ""}, {"qRcmd,zz", errInvalid}, {"jThreadsInfo", ""}, {"\x00", ""},
		{"?", "T0bthread:1;"},
	} {
		r.want(c[0], c[1])
	}
	if got := r.ask("m555555554000," + strings.Repeat("f", 16)); len(got) != packetSize {
		t.Errorf("a long read gives %d digits", len(got))
	}
	// The last mapped bytes before a gap.
	_, hi, ok := s.m.MappingOf(0x555555554000)
	for next := true; next; hi = max(hi, 0) {
		var end uint64
		if _, end, next = s.m.MappingOf(hi); next {
			hi = end
		}
	}
	if got := r.ask(fmt.Sprintf("m%x,40", hi-4)); !ok || len(got) != 8 {
		t.Errorf("%#x: %q", hi-4, got)
	}
	r.want("qRcmd,"+fmt.Sprintf("%x", "when"), "OK")
	if !strings.HasPrefix(r.out.String(), fmt.Sprintf("moment %d of %[1]d, the end: main dies of SIGSEGV in getenv\n", s.tl.Len())) {
		t.Errorf("it moved: %q", r.out.String())
	}
}

const readOnlyText = "E.a recorded run cannot be changed"

// TestTooMany: breakpoints and files are bounded.
func TestTooMany(t *testing.T) {
	s := article(t, loader.AMD64)
	r := connect(t, s.listen(t))
	for i := range maxStops {
		r.want(fmt.Sprintf("Z0,%x,1", i), "OK")
	}
	r.want("Z0,ffff,1", errFull)
	r.want("Z0,5,1", "OK") // is there already
	r.want("z0,5,1", "OK")
	r.want("Z0,ffff,1", "OK")
	name := fmt.Sprintf("%x", "/emurace-program")
	for i := range maxFiles {
		r.want("vFile:open:"+name+",0,0", fmt.Sprintf("F%x", i+3))
	}
	r.want("vFile:open:"+name+",0,0", "F-1,18")
	r.want("vFile:close:7", "F0")
	r.want("vFile:open:"+name+",0,0", "F7")
}

// object reads an object in pieces.
func (r *remote) object(name, annex string) string {
	r.t.Helper()
	var all string
	for {
		part := r.ask(fmt.Sprintf("qXfer:%s:read:%s:%x,333", name, annex, len(all)))
		if part == "" || part[0] != 'l' && part[0] != 'm' {
			r.t.Fatalf("%s: %q", name, part)
		}
		all += part[1:]
		if part[0] == 'l' {
			return all
		}
	}
}

// TestObjects: objects come whole in pieces, and say what the machine does.
func TestObjects(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := article(t, arch)
		r := connect(t, s.listen(t))
		if got := r.object("features", "target.xml"); got != s.target.xml() {
			t.Errorf("target.xml: %q", got)
		}
		if got := r.object("auxv", ""); got != string(s.m.Auxv()) {
			t.Errorf("auxv: %q", got)
		}
		var list struct {
			Main    string `xml:"main-lm,attr"`
			Library []struct {
				Name string `xml:"name,attr"`
				Addr string `xml:"l_addr,attr"`
				LD   string `xml:"l_ld,attr"`
			} `xml:"library"`
		}
		must(t, xml.Unmarshal([]byte(r.object("libraries-svr4", "")), &list))
		bases := map[string]string{}
		for _, m := range s.m.Modules() {
			bases[m.Path] = fmt.Sprintf("%#x", m.Base)
		}
		for _, l := range list.Library {
			resolved, err := s.Root.Resolve(l.Name)
			must(t, err)
			// The list has the names that ld.so was told, the modules have paths.
			found := false
			for path, base := range bases {
				if at, err := s.Root.Resolve(path); err == nil && at == resolved && base == l.Addr {
					found = true
				}
			}
			if !found {
				t.Errorf("%+v is none of %v", l, bases)
			}
		}
		if len(list.Library) != len(bases) || list.Main == "" {
			t.Errorf("%+v; the modules are %v", list, bases)
		}
		var threads struct {
			Thread []struct {
				ID   string `xml:"id,attr"`
				Name string `xml:"name,attr"`
				Text string `xml:",chardata"`
			} `xml:"thread"`
		}
		must(t, xml.Unmarshal([]byte(r.object("threads", "")), &threads))
		want := `[{1 main failed in getenv("LANGUAGE")} {2 worker in setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1)}]`
		if got := fmt.Sprint(threads.Thread); got != want {
			t.Errorf("threads %s, want %s", got, want)
		}
	})
}

// TestFiles: files of the sysroot and the program can be read as they are, and
// nothing else.
func TestFiles(t *testing.T) {
	s := article(t, loader.ARM64)
	r := connect(t, s.listen(t))
	open := func(name string) string { return r.ask(fmt.Sprintf("vFile:open:%x,0,0", name)) }
	read := func(name string) []byte {
		t.Helper()
		handle := strings.TrimPrefix(open(name), "F")
		var all []byte
		for {
			reply := r.ask(fmt.Sprintf("vFile:pread:%s,%x,%x", handle, 1<<30, len(all)))
			head, data, _ := strings.Cut(reply, ";")
			if head != fmt.Sprintf("F%x", len(data)) {
				t.Fatalf("%s: %q with %d bytes", name, head, len(data))
			}
			all = append(all, data...)
			if data == "" {
				break
			}
		}
		stat := r.ask("vFile:fstat:" + handle)
		if want := fmt.Sprintf("%016x", len(all)); !strings.HasPrefix(stat, "F40;") || fmt.Sprintf("%x", stat[4+28:4+36]) != want {
			t.Errorf("%s: %d bytes, stat says %q", name, len(all), stat)
		}
		r.want("vFile:close:"+handle, "F0")
		r.want("vFile:close:"+handle, "F-1,9")
		return all
	}
	for _, name := range []string{"/lib/aarch64-linux-gnu/libc.so.6", "/lib/ld-linux-aarch64.so.1"} {
		want, err := s.sys.File(name)
		must(t, err)
		if !bytes.Equal(read(name), want) {
			t.Errorf("%s is another file", name)
		}
	}
	if !bytes.Equal(read("/emurace-program"), s.program) {
		t.Error("the program is another file")
	}
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("x"), 0o644))
	for name, want := range map[string]string{
		"/none": "F-1,2", "/lib": "F-1,15", outside: "F-1,2", "/../../../../../../.." + outside: "F-1,2", "": "F-1,2",
		"lib/x": "F-1,270f", "/lib/aarch64-linux-gnu/libc.so.6/x": "F-1,14", strings.Repeat("/a", 3000): "F-1,5b", "/a\x00b": "F-1,16",
	} {
		if got := open(name); got != want {
			t.Errorf("%.60q: %q, want %q", name, got, want)
		}
	}
	for _, c := range [][2]string{
		{"vFile:setfs:0", "F0"}, {"vFile:open:2f,1,0", "F-1,1e"}, {"vFile:open:2f,601,1ff", "F-1,1e"}, {"vFile:open:zz,0,0", "F-1,16"}, {"vFile:open:2f", "F-1,16"},
		{"vFile:unlink:2f", "F-1,1e"}, {"vFile:pwrite:3,0,a", "F-1,1e"}, {"vFile:pread:77,1,0", "F-1,9"}, {"vFile:pread:", "F-1,9"}, {"vFile:fstat:77", "F-1,9"},
		{"vFile:readlink:zz", "F-1,16"}, {"vFile:readlink:2f6e6f6e65", "F-1,2"}, {"vFile:other:", ""}, {"vFile:", ""},
	} {
		r.want(c[0], c[1])
	}
	r.want("vFile:open:2f656d75726163652d70726f6772616d,0,0", "F3")
	for _, c := range [][2]string{
		{"vFile:pread:3,0,0", "F0;"}, {"vFile:pread:3,4,0", "F4;\x7fELF"}, {"vFile:pread:3,4,ffffffff", "F0;"}, {"vFile:pread:3,4,ffffffffffffffff", "F-1,16"}, {"vFile:pread:3,4", "F-1,16"},
	} {
		r.want(c[0], c[1])
	}
}

// TestAcknowledgements: until they are turned off, packets are acknowledged, and
// what gets lost is sent again.
func TestAcknowledgements(t *testing.T) {
	s := article(t, loader.ARM64)
	r := dial(t, s.listen(t))
	r.write("$qC#00") // wrong
	if b := r.readByte(); b != '-' {
		t.Fatalf("a wrong checksum is answered with %q", b)
	}
	r.want("qC", "QC1")
	for range 3 {
		r.write("-")
		if got := r.packet(); got != "QC1" {
			t.Fatalf("sent again: %q", got)
		}
	}
	r.write("noise\x03++")
	r.want("?", "T0bthread:1;")
	r.want("QStartNoAckMode", "OK")
	r.noAck = true
	r.write("-$qC#00")
	if got := r.packet(); got != errInvalid {
		t.Errorf("a wrong checksum is answered with %q", got)
	}
	r.want(strings.Repeat("x", packetSize), "")
	r.want(strings.Repeat("x", packetSize+1), errInvalid)
	r.want("qC", "QC1")
}

// TestLeaving: ways to go, each of which lets the next client in, with nothing left
// of what the last one did.
func TestLeaving(t *testing.T) {
	s := article(t, loader.ARM64)
	addr := s.listen(t)
	for _, leave := range []func(r *remote){
		func(r *remote) { r.want("D", "OK") },
		func(r *remote) { r.want("D;1", "OK") },
		func(r *remote) { r.send("k") },
		func(r *remote) { r.want("vKill;1", "OK") },
		func(r *remote) { must(t, r.conn.Close()) },
		func(r *remote) { r.write("$g"); must(t, r.conn.Close()) },
		func(r *remote) { r.write("$g#6"); must(t, r.conn.Close()) },
		func(r *remote) { r.send("g"); must(t, r.conn.Close()) },
		func(r *remote) { r.send("bc"); r.send("c"); must(t, r.conn.Close()) },
		func(r *remote) { r.write(strings.Repeat("$$$}}}###\x03\xff", 1000)); must(t, r.conn.Close()) },
		func(r *remote) {
			must(t, r.conn.(*net.TCPConn).SetLinger(0)) // a reset
			r.send("g")
			must(t, r.conn.Close())
		},
	} {
		r := connect(t, addr)
		r.want("?", "T0bthread:1;")
		r.want("Z0,0,4", "OK")
		r.want("bs", "T05thread:1;")
		leave(r)
	}
	r := connect(t, addr)
	if got := r.monitor("when"); !strings.HasPrefix(got, fmt.Sprintf("moment %d of ", s.tl.Len())) {
		t.Errorf("the next client begins at %q", got)
	}
}

// TestHundred: a hundred clients, one after the other.
func TestHundred(t *testing.T) {
	s := article(t, loader.AMD64)
	addr := s.listen(t)
	for range 100 {
		r := connect(t, addr)
		r.want("?", "T0bthread:1;")
		must(t, r.conn.Close())
	}
}

// TestPatience: a client that stops in the middle of a packet does not lock out
// the next one.
func TestPatience(t *testing.T) {
	s := article(t, loader.ARM64)
	const patience = time.Second
	s.patience = patience
	addr := s.listen(t)
	stuck := connect(t, addr)
	stuck.write("$m10")
	begin := time.Now()
	r := connect(t, addr)
	r.want("qC", "QC1")
	if waited := time.Since(begin); waited < patience/2 || waited > 20*patience {
		t.Errorf("the next client was served after %v", waited)
	}
}

// pipe is a connection made of two pipes, without deadlines.
type pipe struct {
	io.Reader
	io.WriteCloser
}

// TestStdio: a connection that cannot be closed from this side ends with the
// context; and Ctrl-C of the server is no error.
func TestStdio(t *testing.T) {
	s := article(t, loader.ARM64)
	in, send := io.Pipe()
	receive, out := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, pipe{in, out}) }()
	if _, err := io.WriteString(send, "$qC#b4"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len("+$QC1#c5"))
	if _, err := io.ReadFull(receive, b); err != nil || string(b) != "+$QC1#c5" {
		t.Errorf("%q, %v", b, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	must(t, send.Close())

	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel = context.WithCancel(context.Background())
	go func() { served <- s.Listen(ctx, l, true) }()
	connect(t, l.Addr().String()) // and stay
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
