package emu

import (
	"testing"
)

// checkKnown is an error for system calls that are not there.
func (p *process) checkKnown() {
	p.t.Helper()
	if u := p.unknownSyscalls(); len(u) != 0 {
		p.t.Errorf("unknown system calls: %v", u)
	}
}

// TestTimeZones: the local time by rules in TZ, by a file of tzdata that TZ names, by
// a given file, and without anything.
func TestTimeZones(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		berlin, err := p.System().File("/usr/share/zoneinfo/Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ tz, want string }{
			{"UTC0", "2020-09-13 12:26:40 UTC +0000"},
			{"XYZ3:30", "2020-09-13 08:56:40 XYZ -0330"},
			{"CET-1CEST,M3.5.0,M10.5.0/3", "2020-09-13 14:26:40 CEST +0200"},
			{"Europe/Berlin", "2020-09-13 14:26:40 CEST +0200"},
			{":America/New_York", "2020-09-13 08:26:40 EDT -0400"},
			{"Ours/Town", "2020-09-13 14:26:40 CEST +0200"},
			{"No/Where", "2020-09-13 12:26:40  +0000"},
		} {
			p := bootWith(t, suiteOf(t), p.Arch(), Options{
				Env:   []string{"TZ=" + c.tz},
				Files: map[string][]byte{"/usr/share/zoneinfo/Ours/Town": berlin},
			})
			clock, tm, buf := p.bytes(le.AppendUint64(nil, 1_600_000_000)), p.bytes(make([]byte, 64)), p.bytes(make([]byte, 100))
			if got := p.call(0, "localtime_r", clock, tm); got != tm {
				t.Fatalf("localtime_r: %#x", got)
			}
			p.call(0, "tzset")
			p.call(0, "localtime", clock)
			p.call(0, "strftime", buf, 100, p.str("%Y-%m-%d %H:%M:%S %Z %z"), p.call(0, "localtime", clock))
			if got := p.text(buf); got != c.want {
				t.Errorf("TZ=%s: %s, want %s", c.tz, got, c.want)
			}
			if back := p.call(0, "mktime", tm); back != 1_600_000_000 {
				t.Errorf("TZ=%s: mktime gives %d", c.tz, back)
			}
			p.checkKnown()
		}
	})
}

// TestDatabases: users, groups and hosts from given files, by the modules of libc;
// what is not there, and the network, fails and does no harm.
func TestDatabases(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		bare := p
		p = bootWith(t, suiteOf(t), p.Arch(), Options{Files: map[string][]byte{
			"/etc/passwd":        []byte("root:x:0:0::/:/bin/sh\nguest:x:1000:1000:A Guest:/nowhere:/bin/false\n"),
			"/etc/group":         []byte("root:x:0:\nguests:x:1000:guest\n"),
			"/etc/hosts":         []byte("127.0.0.1 localhost\n10.1.2.3 there\n"),
			"/etc/nsswitch.conf": []byte("passwd: files\ngroup: files\nhosts: files\n"),
		}})
		entry := p.call(0, "getpwnam", p.str("guest"))
		if entry == 0 {
			t.Fatalf("getpwnam: errno %d", p.errno())
		}
		const gecos, dir = 24, 32 // pw_gecos, pw_dir of struct passwd
		if got := p.text(p.word(entry + gecos)); got != "A Guest" {
			t.Errorf("pw_gecos is %q", got)
		}
		if got := p.text(p.word(p.call(0, "getpwuid", 1000) + dir)); got != "/nowhere" {
			t.Errorf("pw_dir is %q", got)
		}
		if got := p.text(p.word(p.call(0, "getgrgid", 1000))); got != "guests" {
			t.Errorf("gr_name is %q", got)
		}
		result := p.bytes(make([]byte, 8))
		if rc := p.call(0, "getaddrinfo", p.str("there"), 0, 0, result); rc != 0 {
			t.Errorf("getaddrinfo: %d", int32(rc))
		} else {
			// ai_addr is at 24 of struct addrinfo, the address at 4 of struct sockaddr_in.
			sockaddr := p.word(p.word(result) + 24)
			if got := p.word(sockaddr) >> 32; got != 0x0302010a {
				t.Errorf("the address is %#x", got)
			}
			p.call(0, "freeaddrinfo", p.word(result))
		}
		for _, p := range []*process{p, bare} {
			if entry := p.call(0, "getpwnam", p.str("nobody-of-that-name")); entry != 0 {
				t.Errorf("getpwnam of nobody: %#x", entry)
			}
			if rc := int32(p.call(0, "getaddrinfo", p.str("nowhere.example"), 0, 0, p.bytes(make([]byte, 8)))); rc >= 0 {
				t.Errorf("getaddrinfo of nowhere: %d", rc)
			}
			p.checkKnown()
		}
	})
}

// TestStreams: what is printed in each way, to standard output, to a duplicate of
// it and to nowhere.
func TestStreams(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		stdout, stderr := p.word(p.fn("stdout")), p.word(p.fn("stderr"))
		p.call(0, "printf", p.str("%s %d %#x\n"), p.str("printf"), 7, 255)
		p.call(0, "fprintf", stdout, p.str("%c%5d|\n"), 'f', 42)
		p.call(0, "fputs", p.str("fputs\n"), stdout)
		p.call(0, "putchar", '.')
		p.call(0, "fflush", 0)
		p.call(0, "dprintf", 1, p.str("dprintf %ld\n"), 1<<40)
		if p.call(0, "setvbuf", stdout, 0, 2, 0) != 0 { // _IONBF
			t.Error("setvbuf failed")
		}
		p.call(0, "puts", p.str("not buffered"))
		p.call(0, "fprintf", stderr, p.str("error %d\n"), 1)
		if got := p.call(0, "open", p.str("/no/such/file"), 0); int32(got) != -1 {
			t.Errorf("open: %d", got)
		}
		p.call(0, "perror", p.str("open"))
		again := p.call(0, "fdopen", p.call(0, "dup", 1), p.str("w"))
		p.call(0, "fputs", p.str("duplicate\n"), again)
		p.call(0, "fclose", again)
		null := p.call(0, "fopen", p.str("/dev/null"), p.str("w+"))
		if n := int32(p.call(0, "fputs", p.str("nowhere\n"), null)); n < 0 || p.call(0, "fflush", null) != 0 {
			t.Errorf("/dev/null: %d", n)
		}
		if c := int32(p.call(0, "fgetc", null)); c != -1 {
			t.Errorf("/dev/null holds %d", c)
		}
		p.call(0, "fclose", null)
		want := "printf 7 0xff\nf   42|\nfputs\n.dprintf 1099511627776\nnot buffered\nerror 1\nopen: No such file or directory\nduplicate\n"
		if got := p.output(); got != want {
			t.Errorf("output\n%s\nwant\n%s", got, want)
		}
		text, end := p.str("12.5e1 rest"), p.bytes(make([]byte, 8))
		p.call(0, "strtod", text, end)
		if got := p.word(end); got != text+6 {
			t.Errorf("strtod stopped at %q", p.text(got))
		}
		scanned := p.bytes(make([]byte, 8))
		if n := p.call(0, "sscanf", p.str("number 123"), p.str("number %ld"), scanned); n != 1 || p.word(scanned) != 123 {
			t.Errorf("sscanf: %d, %d", n, p.word(scanned))
		}
		p.checkKnown()
	})
}
