package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	partSize    = 16 << 20 // of an object that is sent in parts
	partThreads = 4        // parts under way at once, each in memory
)

// BucketOptions say how a bucket is reached. The zero value is Amazon's S3, with credentials from where its own tools look for them.
type BucketOptions struct {
	// Endpoint is where another server is: HOST[:PORT] or https://HOST[:PORT], by TLS; without it only if it begins with http://. Buckets are then a part of
	// the path. Default: the variables AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL, then s3.amazonaws.com.
	Endpoint string
	// Region of the bucket. Default: the variables AWS_REGION and AWS_DEFAULT_REGION, then what the server says.
	Region string
	// Transport carries the requests. Default: one that gives up on a server that does not answer.
	Transport http.RoundTripper
}

// bucket is a Store under a prefix of a bucket.
type bucket struct {
	client *minio.Client
	name   string
	prefix string // "" or with a slash at its end
}

// OpenBucket returns the store that address names: s3://BUCKET or s3://BUCKET/PREFIX. The bucket must exist. Keys come from the variables AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the file that AWS_SHARED_CREDENTIALS_FILE and AWS_PROFILE name, or the machine's role. Nothing is
// sent yet.
func OpenBucket(address string, o BucketOptions) (Store, error) {
	rest, ok := strings.CutPrefix(address, "s3://")
	name, prefix, _ := strings.Cut(rest, "/")
	if !ok || name == "" {
		return nil, fmt.Errorf("%q is no bucket: it has the form s3://BUCKET/PREFIX", address)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	endpoint := firstOf(o.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	options := &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Timeout: 5 * time.Second}},
		}),
		Secure:       true,
		Region:       firstOf(o.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")),
		Transport:    o.Transport,
		BucketLookup: minio.BucketLookupPath,
	}
	if endpoint == "" {
		endpoint, options.BucketLookup = "s3.amazonaws.com", minio.BucketLookupAuto
	}
	if strings.Contains(endpoint, "://") {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return nil, fmt.Errorf("the endpoint %q is not of the form https://HOST:PORT", endpoint)
		}
		endpoint, options.Secure = u.Host, u.Scheme == "https"
	}
	if options.Transport == nil {
		transport, err := minio.DefaultTransport(options.Secure)
		if err != nil {
			return nil, err
		}
		transport.ResponseHeaderTimeout = time.Minute // a server that has gone away must not hold a backup for ever
		options.Transport = transport
	}
	client, err := minio.New(endpoint, options)
	if err != nil {
		return nil, fmt.Errorf("the endpoint %q: %w", endpoint, err)
	}
	client.SetAppInfo("everloop", "1")
	return &bucket{client: client, name: name, prefix: prefix}, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (b *bucket) String() string { return "s3://" + strings.TrimSuffix(b.name+"/"+b.prefix, "/") }

// Lock does nothing: a lock in a bucket outlives who has it. Replace finds out.
func (b *bucket) Lock() (unlock func(), err error) { return func() {}, nil }

func (b *bucket) Index(ctx context.Context) (data []byte, tag string, err error) {
	object, err := b.client.GetObject(ctx, b.name, b.prefix+indexName, minio.GetObjectOptions{})
	if err != nil {
		return nil, "", b.explain(err)
	}
	defer func() { _ = object.Close() }() // it was only read
	info, err := object.Stat()
	if isMissing(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", b.explain(err)
	}
	if info.Size > 2*maxIndex {
		return nil, "", damaged("the index has %d bytes", info.Size)
	}
	data = make([]byte, info.Size)
	if _, err := io.ReadFull(object, data); err != nil {
		return nil, "", b.explain(err)
	}
	return data, info.ETag, nil
}

func (b *bucket) Replace(ctx context.Context, data []byte, tag string) (newTag string, err error) {
	// Some servers ignore conditions: look first. Between the two requests only the condition protects.
	info, err := b.client.StatObject(ctx, b.name, b.prefix+indexName, minio.StatObjectOptions{})
	if err != nil && !isMissing(err) {
		return "", b.explain(err)
	}
	if info.ETag != tag {
		return "", fmt.Errorf("%w: %s", ErrConflict, b)
	}
	options := b.options()
	options.DisableMultipart = true
	if tag == "" {
		options.SetMatchETagExcept("*")
	} else {
		options.SetMatchETag(tag)
	}
	put := func() (minio.UploadInfo, error) {
		return b.client.PutObject(ctx, b.name, b.prefix+indexName, bytes.NewReader(data), int64(len(data)), options)
	}
	done, err := put()
	switch status := minio.ToErrorResponse(err).StatusCode; {
	case err != nil && status == http.StatusNotImplemented: // it knows no conditions
		options = b.options()
		options.DisableMultipart = true
		done, err = put()
	case err != nil && (status == http.StatusPreconditionFailed || status == http.StatusConflict):
		return "", fmt.Errorf("%w: %s", ErrConflict, b)
	}
	if err != nil {
		return "", b.explain(err)
	}
	return done.ETag, nil
}

func (b *bucket) options() minio.PutObjectOptions {
	return minio.PutObjectOptions{ContentType: "application/octet-stream", PartSize: partSize, NumThreads: partThreads, ConcurrentStreamParts: true}
}

func (b *bucket) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	from, err := open()
	if err != nil {
		return err
	}
	defer from.Close()
	var body io.Reader = from
	options := b.options()
	if size <= partSize {
		// In memory, so that the client can send it again when a connection breaks. It does so with parts by itself.
		text := make([]byte, size)
		if _, err := io.ReadFull(from, text); err != nil {
			return err
		}
		body, options.DisableMultipart = bytes.NewReader(text), true
	}
	_, err = b.client.PutObject(ctx, b.name, b.prefix+name, body, size, options)
	return b.explain(err)
}

func (b *bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	object, err := b.client.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.explain(err)
	}
	if _, err := object.Stat(); err != nil {
		_ = object.Close() // there is nothing in it
		if isMissing(err) {
			return nil, fmt.Errorf("%w: %s%s", ErrNotFound, b.prefix, name)
		}
		return nil, b.explain(err)
	}
	return object, nil
}

func (b *bucket) List(ctx context.Context, fn func(name string, size int64) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the listing when fn does
	defer cancel()
	for object := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true}) {
		if object.Err != nil {
			return b.explain(object.Err)
		}
		name := strings.TrimPrefix(object.Key, b.prefix)
		if name == indexName {
			continue
		}
		if err := fn(name, object.Size); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (b *bucket) Remove(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	objects := make(chan minio.ObjectInfo)
	go func() {
		defer close(objects)
		for _, name := range names {
			select {
			case objects <- minio.ObjectInfo{Key: b.prefix + name}:
			case <-ctx.Done():
				return
			}
		}
	}()
	var failed error
	for result := range b.client.RemoveObjects(ctx, b.name, objects, minio.RemoveObjectsOptions{}) {
		if failed == nil && !isMissing(result.Err) {
			failed = b.explain(result.Err)
		}
	}
	return errors.Join(failed, ctx.Err())
}

// isMissing reports that an object, not its bucket, is not there.
func isMissing(err error) bool {
	return err != nil && minio.ToErrorResponse(err).Code == minio.NoSuchKey
}

// explain says what a server's answer means for the person who takes a backup.
func (b *bucket) explain(err error) error {
	if err == nil {
		return nil
	}
	switch answer := minio.ToErrorResponse(err); answer.Code {
	case minio.NoSuchBucket:
		return fmt.Errorf("%s: there is no bucket %q: make it first: %w", b, b.name, err)
	case minio.AccessDenied, minio.InvalidAccessKeyID, minio.SignatureDoesNotMatch:
		return fmt.Errorf("%s: the server refuses: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they allow: %w", b, err)
	}
	return fmt.Errorf("%s: %w", b, err)
}
