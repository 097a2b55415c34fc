package sysroot

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"testing"
)

// signer signs as an archive does: a version 4 RSA key of RFC 4880, just enough
// of it for apt to check a Release file with.
type signer struct {
	key *rsa.PrivateKey
}

// keyTime is when every key and signature claims to be made, in Unix seconds.
const keyTime = 1_600_000_000

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{key: key}
}

// mpi encodes a multiprecision integer (section 3.2).
func mpi(n *big.Int) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(n.BitLen())), n.Bytes()...)
}

// packet frames a packet in the new format with a two- or five-byte length
// (section 4.2.2).
func packet(tag byte, body []byte) []byte {
	head := append([]byte{0xc0 | tag, 0xff}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	return append(head, body...)
}

// publicKey is the body of a public key packet (section 5.5.2).
func (s *signer) publicKey() []byte {
	body := append([]byte{4}, binary.BigEndian.AppendUint32(nil, keyTime)...)
	body = append(body, 1) // RSA
	body = append(body, mpi(s.key.N)...)
	return append(body, mpi(big.NewInt(int64(s.key.E)))...)
}

// framed is the public key as it is hashed for fingerprints and certifications
// (section 12.2).
func (s *signer) framed() []byte {
	body := s.publicKey()
	return append(binary.BigEndian.AppendUint16([]byte{0x99}, uint16(len(body))), body...)
}

// sign returns a signature packet (section 5.2.3) of the given type over data.
func (s *signer) sign(t *testing.T, kind byte, data []byte) []byte {
	t.Helper()
	fingerprint := sha1.Sum(s.framed())
	hashed := binary.BigEndian.AppendUint32([]byte{5, 2}, keyTime) // creation time
	hashed = append(hashed, 2, 27, 0x03)                           // key flags: certify, sign
	hashed = append(append(hashed, 22, 33, 4), fingerprint[:]...)  // issuer's fingerprint
	unhashed := append([]byte{9, 16}, fingerprint[12:]...)         // issuer's key id

	body := []byte{4, kind, 1, 10} // RSA, SHA-512
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(hashed))), hashed...)
	trailer := binary.BigEndian.AppendUint32([]byte{4, 0xff}, uint32(len(body)))
	digest := sha512.Sum512(bytes.Join([][]byte{data, body, trailer}, nil))
	signature, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA512, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(unhashed))), unhashed...)
	body = append(body, digest[0], digest[1])
	return packet(2, append(body, mpi(new(big.Int).SetBytes(signature))...))
}

// keyring returns the public key with a user id that it has certified itself.
func (s *signer) keyring(t *testing.T) []byte {
	t.Helper()
	user := []byte("emurace test archive")
	certified := append(s.framed(), 0xb4)
	certified = append(binary.BigEndian.AppendUint32(certified, uint32(len(user))), user...)
	return bytes.Join([][]byte{
		packet(6, s.publicKey()),
		packet(13, user),
		s.sign(t, 0x13, certified),
	}, nil)
}

// detached returns an armored signature of a file's bytes (section 6.2).
func (s *signer) detached(t *testing.T, data []byte) []byte {
	t.Helper()
	return []byte("-----BEGIN PGP SIGNATURE-----\n\n" +
		base64.StdEncoding.EncodeToString(s.sign(t, 0x00, data)) +
		"\n-----END PGP SIGNATURE-----\n")
}
