/*
 * A security key made of software, for tests: a provider for OpenSSH (PROTOCOL.u2f and sk-api.h name the interface) whose
 * key handle is the private key itself. Its "touch" is the appearance of the file that SOFT_FIDO_TOUCH names.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SK_VERSION 0x000a0000
#define SK_ED25519 0x01
#define SK_ERR_GENERAL -1
#define SK_ERR_UNSUPPORTED -2
#define USER_PRESENT 0x01
#define NID_ED25519 1087
/* A real key gives up after half a minute, too. */
#define TOUCH_TIMEOUT_MS 30000
#define TOUCH_POLL_MS 10

struct sk_enroll_response {
    uint8_t flags;
    uint8_t *public_key;
    size_t public_key_len;
    uint8_t *key_handle;
    size_t key_handle_len;
    uint8_t *signature;
    size_t signature_len;
    uint8_t *attestation_cert;
    size_t attestation_cert_len;
    uint8_t *authdata;
    size_t authdata_len;
};

struct sk_sign_response {
    uint8_t flags;
    uint32_t counter;
    uint8_t *sig_r;
    size_t sig_r_len;
    uint8_t *sig_s;
    size_t sig_s_len;
};

/* libcrypto is there wherever OpenSSH is; its headers need not be. */
static void *crypto(const char *name)
{
    static void *library;
    if (!library) library = dlopen("libcrypto.so.3", RTLD_NOW);
    return library ? dlsym(library, name) : NULL;
}

static void *key_of(const uint8_t *seed)
{
    void *(*make)(int, void *, const uint8_t *, size_t) = crypto("EVP_PKEY_new_raw_private_key");
    return make ? make(NID_ED25519, NULL, seed, 32) : NULL;
}

static uint8_t *copied(const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length);
    if (copy) memcpy(copy, bytes, length);
    return copy;
}

uint32_t sk_api_version(void)
{
    return SK_VERSION;
}

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application, uint8_t flags,
              const char *pin, void **options, struct sk_enroll_response **response)
{
    (void)challenge, (void)challenge_len, (void)application, (void)pin, (void)options;
    int (*random_bytes)(uint8_t *, int) = crypto("RAND_bytes");
    int (*public_of)(void *, uint8_t *, size_t *) = crypto("EVP_PKEY_get_raw_public_key");
    uint8_t seed[32], public_key[32];
    size_t length = sizeof(public_key);
    if (alg != SK_ED25519) return SK_ERR_UNSUPPORTED;
    if (!random_bytes || !public_of || random_bytes(seed, sizeof(seed)) != 1) return SK_ERR_GENERAL;
    void *key = key_of(seed);
    struct sk_enroll_response *made = calloc(1, sizeof(*made));
    if (!key || !made || public_of(key, public_key, &length) != 1) return SK_ERR_GENERAL;
    made->flags = flags;
    made->public_key = copied(public_key, made->public_key_len = length);
    made->key_handle = copied(seed, made->key_handle_len = sizeof(seed));
    made->signature = copied("", made->signature_len = 1);
    *response = made;
    return 0;
}

static int was_touched(void)
{
    const char *path = getenv("SOFT_FIDO_TOUCH");
    for (int waited = 0; path && access(path, F_OK) != 0; waited += TOUCH_POLL_MS) {
        if (waited >= TOUCH_TIMEOUT_MS)
            return 0;
        usleep(TOUCH_POLL_MS * 1000);
    }
    return 1;
}

/* What is signed: SHA256(application), flags, counter, SHA256(message). */
int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application, const uint8_t *key_handle,
            size_t key_handle_len, uint8_t flags, const char *pin, void **options, struct sk_sign_response **response)
{
    (void)pin, (void)options;
    uint8_t *(*sha256)(const uint8_t *, size_t, uint8_t *) = crypto("SHA256");
    void *(*context_new)(void) = crypto("EVP_MD_CTX_new");
    int (*init)(void *, void **, void *, void *, void *) = crypto("EVP_DigestSignInit");
    int (*sign)(void *, uint8_t *, size_t *, const uint8_t *, size_t) = crypto("EVP_DigestSign");
    uint8_t message[32 + 1 + 4 + 32] = {0}, signature[64];
    size_t length = sizeof(signature);
    if (alg != SK_ED25519 || key_handle_len != 32) return SK_ERR_UNSUPPORTED;
    if (!was_touched() || !sha256 || !context_new || !init || !sign) return SK_ERR_GENERAL;
    sha256((const uint8_t *)application, strlen(application), message);
    message[32] = flags | USER_PRESENT;
    message[36] = 1; /* the counter, big-endian */
    sha256(data, data_len, message + 37);
    void *context = context_new();
    struct sk_sign_response *made = calloc(1, sizeof(*made));
    if (!context || !made || init(context, NULL, NULL, NULL, key_of(key_handle)) != 1 ||
        sign(context, signature, &length, message, sizeof(message)) != 1)
        return SK_ERR_GENERAL;
    made->flags = flags | USER_PRESENT;
    made->counter = 1;
    made->sig_r = copied(signature, made->sig_r_len = length);
    *response = made;
    return 0;
}

int sk_load_resident_keys(const char *pin, void **options, void ***keys, size_t *count)
{
    (void)pin, (void)options;
    *keys = NULL;
    *count = 0;
    return SK_ERR_UNSUPPORTED;
}
